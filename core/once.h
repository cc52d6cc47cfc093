/* SPDX-License-Identifier: MIT
 * renewd --once: one run of each job that is wanted, what is said meanwhile and in the end, and when it is given up.
 * It waits for a store that is away, for 30 s, and never for work that makes progress.
 */
#ifndef CORE_ONCE_H
#define CORE_ONCE_H

#include "core/engine/engine.h"

struct once;

struct once_setup {
    struct loop *loop;
    struct engine *engine;
    char **jobs;                                         /* names; NULL-terminated, empty = all */
    void (*end)(void *ctx, int status, const char *why); /* once; why: a sentence for the log, or NULL */
    void *ctx;
};

/* Begins to watch. The caller calls once_ready() when the engine is. */
struct once *once_new(const struct once_setup *s);
void once_ready(struct once *o);
/* Nothing is watched or said any more. */
void once_stop(struct once *o);
void once_free(struct once *o); /* may be NULL */

#endif
