/* SPDX-License-Identifier: MIT
 * Receives PostgreSQL's notifications on a separate connection. A notification is only a hint that there is a
 * request made in SQL, or that a row was changed. Any role can send one with any content, so the receiver reads the
 * tables, as it also does without a hint.
 */
#ifndef CORE_DB_LISTEN_H
#define CORE_DB_LISTEN_H

#include "core/db/connection.h"

struct listener;

/* changed: NULL = there is a request; else "JOB KEY" or "JOB", as the trigger of renewd.watch sends it. */
typedef void listener_fn(void *ctx, const char *changed);

/* Blocks for at most a few seconds. -EOPNOTSUPP: a transaction pooler is between renewd and the server and gives
 * each transaction another session. No notification would arrive, and no LISTEN is left in its sessions. */
int listener_open(const struct store_options *o, struct listener **ret, struct error *e);

/* Never blocks. To be called when the descriptor is readable; heard is called for each notification. -ENOTCONN:
 * the connection is lost. */
int listener_fd(const struct listener *l);
int listener_hear(struct listener *l, listener_fn *heard, void *ctx);

void listener_close(struct listener *l);

#endif
