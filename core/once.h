/* SPDX-License-Identifier: MIT
 * renewd --once: runs each selected job once, reports progress and result, and decides when to give up. It waits 30
 * s for an unavailable store; work that makes progress has no time limit.
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

/* Starts. The caller calls once_ready() when the engine is ready. */
struct once *once_new(const struct once_setup *s);
void once_ready(struct once *o);
/* Stops watching and reporting. */
void once_stop(struct once *o);
void once_free(struct once *o); /* may be NULL */

#endif
