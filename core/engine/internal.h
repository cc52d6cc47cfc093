/* SPDX-License-Identifier: MIT
 * Shared by the files of core/engine itself: the engine's start and stop, its jobs, keys and secrets. The folders
 * below do not include it; they report upwards through state/listeners.h alone.
 */
#ifndef CORE_ENGINE_INTERNAL_H
#define CORE_ENGINE_INTERNAL_H

#include "core/engine/state/state.h"

/* listeners.c */
extern const struct engine_listeners engine_listeners;

/* engine.c */
void engine_check_later(void *ctx); /* whether all have stopped; the engine is ctx */
void engine_forget_disabled(struct engine *e);

/* phase.c: what happens when the store answers. */
void startup_up(void *ctx);
void startup_down(void *ctx, const char *why);
void startup_denied(void *ctx, const char *why);
int startup_admit(void *ctx, struct db *db, struct error *e); /* on the store's thread */
void startup_refused(void *ctx, const char *why);
void startup_show(struct engine *e);

/* job.c */
struct job *job_new(struct engine *e, struct job_config *c);
void job_free(struct job *j);
void job_resolve(struct job *j);
/* Counts its records by state, so that they can be shown while the store is only read. */
void job_find_source(struct job *j);
/* Applies a pause of this process or of another one. */
void job_set_paused(struct job *j, bool paused);
/* Finds the column of the job's table for each slot. */
void job_map_slots(struct job *j);
int64_t job_count_sealed(struct db *db, const struct job *j, const char *prefix);

/* keys.c */
struct keys_check {
    struct job **jobs; /* the jobs of this moment: a reload frees none meanwhile */
    size_t job_count;
    bool wrong; /* fatal */
    bool known[KEYRING_MAX];
    unsigned char fingerprint_key[32];
};
int keys_check(struct engine *e, struct db *db, struct keys_check *c, struct error *err);
/* For a look that writes nothing: *ret_wrong becomes the id of a key that the database needs and that is not in the
 * ring or is another one; it stays NULL where a start would go on. */
int keys_look(const struct keyring *ring, struct db *db, char **ret_wrong, struct error *err);
void keys_checked(struct engine *e, const struct keys_check *c);
/* The key has opened or sealed a value: from now on it is one of the database's keys. */
void keys_proven(struct engine *e, const char *id);

/* secrets.c: checks whether a secret in a file has changed. True: this job ends in a moment and another one
 * replaces it with the new secret, so nothing should be concluded from failures under the old one. Called before a
 * job is held and before each canary. */
bool secrets_changed(struct job *j);
void secrets_start(struct engine *e);
void secrets_stop(struct engine *e);
/* reload.c: c replaces j's configuration; both become the engine's. */
void engine_replace_job(struct engine *e, struct job *j, struct job_config *c);

/* sql_requests.c */
void requests_start(struct engine *e);
void requests_serve(struct engine *e); /* notes which jobs are loaded */
void requests_look(struct engine *e);  /* at once, or as soon as the rate limit allows */

/* pg_notify.c */
void pg_notify_start(struct engine *e);
void pg_notify_stop(struct engine *e);

#endif
