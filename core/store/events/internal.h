/* SPDX-License-Identifier: MIT
 * Shared by the files of the events; no other file includes it.
 */
#ifndef CORE_STORE_EVENTS_INTERNAL_H
#define CORE_STORE_EVENTS_INTERNAL_H

#include "core/base/buf.h"
#include "core/db/parameters.h"
#include "core/store/events/events.h"

/* EVENTS_AT_ONCE ids of EVENTS_ID_MAX bytes fit into a statement. */
enum { EVENTS_SQL_MAX = 64 * 1024, EVENTS_AT_ONCE = 2000, EVENTS_ID_MAX = 21 };

/* The conditions of the indexes, word for word, so that they are used; and "not leased", by the database's
 * clock. */
#define EVENTS_OPEN "state < 3"
_Static_assert(EVENT_WAITING == 1 && EVENT_HELD == 2 && EVENT_SENT == 3, "the indexes name these states by number");
void events_put_free(const struct db *db, const char *of, struct buf *sql);

/* Runs work in a transaction, again when it gives -EDEADLK. */
int events_transaction(struct db *db, int (*work)(struct db *db, void *arg, struct error *e), void *arg,
                       struct error *e);

/* " AND id IN (...)"; the ids are the statement's own text. */
void events_put_ids(const int64_t *ids, size_t count, struct buf *sql);

/* ", code = ..., why = ...": made valid for a column; NULL keeps the old value. */
void events_put_why(const char *code, const char *why, struct args *a, struct buf *sql);
/* "UPDATE ... WHERE 1 = 1" that gives events up. Their last refusal stays in the row. */
void events_put_expired(int64_t now, struct buf *sql);

/* The columns of an event, as events_from_result reads them; with_text: including its text. */
void events_put_columns(const char *of, bool with_text, struct buf *sql);
void events_from_result(const struct db_result *r, struct event_row **ret, size_t *ret_count);
void event_row_done(struct event_row *row);

#endif
