/* SPDX-License-Identifier: MIT
 * What a row of a job's table means, and its values opened and sealed. What the engine's other folders may call.
 */
#ifndef CORE_ENGINE_ROWS_ROWS_H
#define CORE_ENGINE_ROWS_ROWS_H

#include "core/engine/internal.h"

/* row_values.c */
int values_open(const struct job *j, const struct row *r, struct values *ret, struct error *e);
void values_done(struct values *v);
void values_view(const struct job *j, const struct record *rec, const struct row *r,
                 const struct values *v, struct record_view *ret);
int value_seal(const struct job *j, const char *key, const char *slot, const char *plain, size_t len,
               bool secret, char **ret);
const char *job_seal_table(const struct job *j);

/* interpret_row.c: what a row means. */
int look_fingerprint(const struct job *j, const char *key, const struct values *v,
                     char ret[FINGERPRINT_SIZE]);
/* known may be NULL. ret is the record as it should stand; what was seen is added to `of`, which may be NULL. */
void look_row(struct job *j, const struct row *row, const struct record *known, struct record *ret,
              struct round *of);
int64_t look_point(const struct record *r); /* when it is due by itself */
void look_schedule(const struct job *j, struct record *r);
/* The memo's bytes, malloc'd; NULL for none. */
void *look_memo(const struct record *r, size_t *ret_len);
int look_window(struct job *j, struct record *r, const struct row *row, const struct values *v,
                struct error *e);
/* True when the row is not a record (any more): its status was changed by somebody else. */
bool look_left_out(const struct job *j, const struct row *row, const struct record *known);
/* The owner may stand in another table, out of the row's hash. */
bool look_same_owner(const struct job *j, const struct row *row, const struct record *known);
bool look_differs(const struct record *a, const struct record *b);

#endif
