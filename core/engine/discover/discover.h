/* SPDX-License-Identifier: MIT
 * Which records exist, and which rows changed. The interface of this folder for the engine's other folders.
 */
#ifndef CORE_ENGINE_DISCOVER_DISCOVER_H
#define CORE_ENGINE_DISCOVER_DISCOVER_H

#include "core/engine/state/state.h"

/* changes.c: what reading a row found. */
/* The row's new state; false: its record already says the same. of: NULL when a single row is read. */
bool change_look(struct job *j, const struct row *row, const struct record *known, struct record_change *ret,
                 struct round *of);
/* discovery.c */
void discovery_start(struct job *j, bool full);
/* A slow round now, and another one after a round that is under way. */
void discovery_again(struct job *j);
void discovery_stop(struct job *j);
void discovery_hold(struct job *j, const char *why);
/* The table no longer is what the configuration says; it is checked again soon. */
void discovery_misfit(struct job *j, const char *why);
/* Reads one record again: its row changed, or a caller asks for it. then may be NULL. */
void discovery_one(struct job *j, const char *key, loop_fn *then, void *ctx);

/* change_feed.c */
void change_feed_start(struct engine *e);
/* "JOB KEY": that row was changed; "JOB": many of its rows were. */
void change_feed_row(struct engine *e, const char *about);
/* Notifications may have been missed: a slow round of every job. */
void change_feed_missed(struct engine *e);
void change_feed_free(struct engine *e);

/* changes.c: What reads and commits report about records, and what follows for them and for their twins.
 */
/* On the store's thread; then on the loop. */
int changes_put(struct db *db, struct record_change *changes, size_t count, bool *ret_spent, bool *ret_dead,
                struct error *e);
void change_put(struct job *j, const struct record_change *c, bool spent, bool dead);
void change_catch_up(struct job *j, const struct record *rec, bool spent, bool dead);
void change_done(struct record_change *c);

/* unreadable.c: Rows of a job's table that cannot be read, and those that row security hides.
 */
/* The reason why row security hides rows from the job, now; NULL: it hides none. Logged once. */
void job_hidden(struct job *j, const char *why);
/* Logs the row; of: as part of a round, else alone. */
void unreadable_seen(struct job *j, const struct record *now, const struct record *known, struct round *of);
void unreadable_round(struct job *j, const struct round *of);
void unreadable_long_keys(struct job *j, const struct page *p, struct round *of);
bool unreadable_by_key(const struct round *of);
/* What is to be written to its row, in last_error and status; NULL: nothing, or it was written already. */
struct commit *unreadable_note(const struct job *j, const struct record *now, const struct record *known,
                               const struct row *row);
/* The write to the row waits until it is clear that the key is right. */
void unreadable_later(struct round *of, struct commit *note);
/* The key is right: the writes are made. Otherwise they are dropped. */
void unreadable_note_later(struct job *j, struct round *of, bool right);
/* On the store's thread; then on the loop, with whether the row accepted it. */
int unreadable_put(struct db *db, struct commit *const *notes, size_t count, struct error *e);
void unreadable_noted(const struct job *j, const struct commit *note);

/* only_unheld.c: on the store's thread; nothing for a table that is empty. */
int only_unheld_look(struct db *db, const struct job_config *c, const struct table *t, struct only_unheld *ret,
                     struct error *e);
void only_unheld_done(struct only_unheld *f);
/* On the loop: kept as what is wrong with the job now, and logged once. f is left empty. */
void only_unheld_take(struct job *j, struct only_unheld *f);

/* discovery.c */
/* A round at full speed from the first row on, also where a slow one is under way. false: a full one already is. */
bool discovery_quick(struct job *j);

/* look_first.c: reads the table before due records are reported. then is called once, maybe at once. all: the whole
 * table was read, not only the cheap part of a large one. why: NULL, or why it could not be read. Where there is
 * nothing to read, the result is as if it had been read. */
void look_all(struct job *j, look_done *then, void *ctx);
void look_first(struct job *j, look_done *then, void *ctx);
/* For discovery.c: a round ended; there will be none. */
void looks_over(struct job *j);
void looks_end(struct job *j, const char *why);

/* table_fits.c */
/* See table_still_fits(); a missing right is reported together with all others. */
int job_still_fits(struct db *db, const struct job *j, int result, struct error *e);
/* -EACCES with the GRANTs that are missing on the tables of a job, and what its statements are refused. */
int job_rights(struct db *db, const struct job_config *c, const struct table *table, bool statements,
               struct error *e);
/* Checks the named statements of its plugin against the database. */
int job_check_statements(struct db *db, const struct job_config *c, struct error *e);
/* Notes in the table which types their parameters have. */
int job_note_statements(struct db *db, const struct job_config *c, struct table *t, struct error *e);

#endif
