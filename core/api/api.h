/* SPDX-License-Identifier: MIT
 * The API: what operators and applications ask of a running renewd over HTTP. All listeners share one table of
 * routes. The Unix socket identifies its callers by their peer credentials. Used by core/renewd.c. The API decides
 * nothing about records: it asks the engine and passes the answer on.
 */
#ifndef CORE_API_API_H
#define CORE_API_API_H

#include "core/base/error.h"
#include "core/config/config.h"
#include "core/engine/engine.h"
#include "core/loop/loop.h"

struct api;

/* Opens the Unix socket's listener (config->api_socket; none when NULL), making its directory when that is missing.
 * Engine, loop and config stay the caller's and outlive the API. -EADDRINUSE and others with a sentence. */
int api_open(struct engine *e, struct loop *loop, const struct config *c, struct api **ret, struct error *err);

/* For --check: names in `functions` that match no function. */
void api_check_functions(struct job_config *const *jobs, size_t count, struct conf_mistakes *m);

/* For the engine's `ready`: from now on /readyz depends on the store and the jobs only. */
void api_ready(struct api *a);

/* Takes no more connections; requests already received are still answered. First in the stop order. */
/* Reads the certificate and its key again. -1 with why: the old ones stay in use. */
int api_reload(struct api *a, struct error *why);
void api_stop_listening(struct api *a);

/* Answers what still waits with 503 and closes. Call after engine_stop has ended, before engine_free; the engine
 * may still call its callbacks afterwards. Not from inside a callback of the API. */
void api_free(struct api *a);

#endif
