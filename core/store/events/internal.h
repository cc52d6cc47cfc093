/* SPDX-License-Identifier: MIT
 * What the files of the events share; nobody else includes it.
 */
#ifndef CORE_STORE_EVENTS_INTERNAL_H
#define CORE_STORE_EVENTS_INTERNAL_H

#include "core/base/buf.h"
#include "core/db/parameters.h"
#include "core/store/events/events.h"

/* EVENTS_AT_ONCE ids of EVENTS_ID_MAX bytes fit into a statement. */
enum { EVENTS_SQL_MAX = 64 * 1024, EVENTS_AT_ONCE = 2000, EVENTS_ID_MAX = 21 };

/* The words of the indexes, so that they are used; and "in nobody's hands", by the database's clock. */
#define EVENTS_OPEN "state < 3"
_Static_assert(EVENT_WAITING == 1 && EVENT_HELD == 2 && EVENT_SENT == 3, "the indexes name these states by number");
void events_put_free(const struct db *db, const char *of, struct buf *sql);

/* Runs work in a transaction, again when it gives -EDEADLK. */
int events_transaction(struct db *db, int (*work)(struct db *db, void *arg, struct error *e), void *arg,
                       struct error *e);

/* " AND id IN (...)"; the ids are the statement's own text. */
void events_put_ids(const int64_t *ids, size_t count, struct buf *sql);

/* ", code = ..., why = ...": made fit for a column; NULL leaves what is there. */
void events_put_why(const char *code, const char *why, struct args *a, struct buf *sql);
/* "UPDATE ... WHERE 1 = 1" that gives events up. What refused them last stays beside it. */
void events_put_expired(int64_t now, struct buf *sql);

/* The columns of an event, as events_from_result reads them; with_text: its text too. */
void events_put_columns(const char *of, bool with_text, struct buf *sql);
void events_from_result(const struct db_result *r, struct event_row **ret, size_t *ret_count);
void event_row_done(struct event_row *row);

#endif
