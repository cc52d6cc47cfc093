/* SPDX-License-Identifier: MIT
 * How runs begin and end: what run.c, run_start.c, discover/look_first.c, limits.c and discover/discovery.c share. Inside core/engine only.
 */
#ifndef CORE_ENGINE_REFRESH_RUNS_H
#define CORE_ENGINE_REFRESH_RUNS_H

#include "core/engine/internal.h"

struct run_waiter {
    run_done done;
    void *ctx;
    struct run_waiter *next;
};

/* run.c */
/* Its records are named by key; what is due for it; it never took place. */
bool run_names_keys(const struct run *r);
void run_query(const struct run *r, struct claim_request *q);
void run_refuse(struct run *r, int error, const char *why);

/* run_start.c */
/* As at a tick, and what waits after a failure does not. */
void run_start_now(struct job *j, const char *trigger, run_done done, void *ctx);

/* joined.c */
/* Whether what is under way already is waited for. */
bool joins(const struct run *r);
/* Takes list over. */
void joined_add(struct run *r, struct under_way *list, size_t count);
bool joined_waits(const struct run *r);
/* When it has ended: what kept those that it skipped; those whose token was set aside have failed instead. On the
 * store's thread. */
int joined_count_skipped(struct db *db, struct run *r, struct error *e);
/* Each failure of it. */
int joined_failures(struct db *db, struct run *r, struct error *e);
void joined_free(struct run *r);

/* discover/discovery.c */
/* A round at full speed from the first row on, also where a slow one is under way. false: a full one is. */
bool discovery_quick(struct job *j);

/* discover/look_first.c: the table is looked at before somebody is told what is due. then is called once, maybe at once; all:
 * the whole table was, not only what is cheap to find in a large one; why: NULL, or why it could not be read. Where
 * there is nothing to look at it is as if it had been. */
typedef void look_done(void *ctx, bool all, const char *why);
void look_all(struct job *j, look_done *then, void *ctx);
void look_first(struct job *j, look_done *then, void *ctx);
/* Of discover/discovery.c: a round ended; a look that waits may begin; there will be none. */
void looks_over(struct job *j);
void looks_begin(struct job *j);
void looks_end(struct job *j, const char *why);

/* limits.c: settings that leave due records undone. */
/* When a run is over. */
void limits_run(struct run *r);
/* When a tick comes. */
void limits_tick(struct job *j);

#endif
