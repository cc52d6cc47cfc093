/* SPDX-License-Identifier: MIT
 * The API: what operators and, later, applications ask of a running renewd over HTTP. One set of
 * routes; the door here is the Unix socket, whose callers are known by their peer credentials.
 * Used by core/renewd.c. It decides nothing about records: it asks the engine and says what it said.
 */
#ifndef CORE_API_API_H
#define CORE_API_API_H

#include "core/base/error.h"
#include "core/config/config.h"
#include "core/engine/engine.h"
#include "core/loop/loop.h"

struct api;

/* Opens the socket door (config->api_socket; none when NULL), making its directory when that is
 * missing. Engine, loop and config stay the caller's and outlive the API. -EADDRINUSE and others with
 * a sentence. */
int api_open(struct engine *e, struct loop *loop, const struct config *c, struct api **ret, struct error *err);

/* For --check: names in `functions` that no call has. */
void api_check_functions(struct job_config *const *jobs, size_t count, struct conf_mistakes *m);

/* For the engine's `ready`: from now on /readyz goes by the store and the jobs alone. */
void api_ready(struct api *a);

/* Takes no more connections; what was asked is still answered. First in the stop order. */
/* The certificate and its key are read again. -1 with why: the ones before go on. */
int api_reload(struct api *a, struct error *why);
void api_stop_listening(struct api *a);

/* Answers what still waits with 503 and closes. After engine_stop has ended, before engine_free;
 * the engine may still end its callbacks afterwards. Not from inside a callback of the API. */
void api_free(struct api *a);

#endif
