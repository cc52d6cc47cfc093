/* SPDX-License-Identifier: MIT
 * Records that hold one credential, with their rows. Inside core/engine only.
 */
#ifndef CORE_ENGINE_COMMIT_TWINS_H
#define CORE_ENGINE_COMMIT_TWINS_H

#include "core/engine/internal.h"

struct twin {
    struct job *job;
    struct record record;
    struct row row;
};

struct twins {
    struct engine *engine;
    char fingerprint[FINGERPRINT_SIZE];
    struct job **jobs;             /* whose tables are known; as they are now, for the store's thread */
    size_t job_count;
    struct twin *list;
    size_t count;
};

/* On the loop, which keeps the engine busy until twins_done(). t is zeroed. */
void twins_begin(struct twins *t, struct engine *e, const char *fingerprint);
/* On the store's thread. Records of jobs that are not here are left to those who have them. */
int twins_find(struct db *db, struct twins *t, struct error *e);
void twins_done(struct twins *t);

/* w is the record itself. */
bool twin_is(const struct twin *w, const struct record *rec);
/* Its row still holds the credential, and is renewd's to write: its values, which are the caller's then. */
bool twin_open(const struct twins *t, struct twin *w, struct values *ret);

#endif
