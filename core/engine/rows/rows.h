/* SPDX-License-Identifier: MIT
 * What a row of a job's table means, and its values opened and sealed. The interface of this folder for the
 * engine's other folders.
 */
#ifndef CORE_ENGINE_ROWS_ROWS_H
#define CORE_ENGINE_ROWS_ROWS_H

#include "core/engine/state/state.h"

/* row_values.c */
int row_values_decrypt(const struct job *j, const struct row *r, struct row_values *ret, struct error *e);
void row_values_done(struct row_values *v);
void row_values_for_plugin(const struct job *j, const struct record *rec, const struct row *r,
                           const struct row_values *v, struct record_view *ret);
int row_value_seal(const struct job *j, const char *key, const char *slot, const char *plain, size_t len,
                   bool secret, char **ret);

/* interpret_row.c: what a row means. */
int row_fingerprint(const struct job *j, const char *key, const struct row_values *v, char ret[FINGERPRINT_SIZE]);
/* known may be NULL. ret is the record as it should be; what was seen is added to `of`, which may be NULL. */
void interpret_row(struct job *j, const struct row *row, const struct record *known, struct record *ret,
                   struct round *of);
int64_t record_due_at(const struct record *r); /* when it is due at its own time */
void record_schedule(const struct job *j, struct record *r);
/* The memo's bytes, malloc'd; NULL for none. */
void *record_memo(const struct record *r, size_t *ret_len);
int ask_refresh_window(struct job *j, struct record *r, const struct row *row, const struct row_values *v,
                       struct error *e);
/* True when the row is no longer a record: its status was changed, not by renewd. */
bool row_is_filtered_out(const struct job *j, const struct row *row, const struct record *known);
/* The owner may be in another table, and so not be part of the row's hash. */
bool row_has_same_owner(const struct job *j, const struct row *row, const struct record *known);
bool records_differ(const struct record *a, const struct record *b);

/* record_stands.c */
/* Whether a row of this key exists and is a record. -ENOENT: no such row, or hidden by `only`. -ENODATA: its status
 * filters it out. On the store's thread. */
int record_stands(struct db *db, const struct job *j, const char *key, struct error *e);

/* unreadable_record.c */
void unreadable_make(struct record *r, const char *why);
bool unreadable_is(const struct record *r);

#endif
