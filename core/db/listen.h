/* SPDX-License-Identifier: MIT
 * Hearing PostgreSQL's notifications on a connection of its own: a hint that something was asked for in SQL,
 * or that a row was changed, no more. Anybody may say anything; whoever hears looks into the tables, as he does
 * without a hint.
 */
#ifndef CORE_DB_LISTEN_H
#define CORE_DB_LISTEN_H

#include "core/db/connection.h"

struct listener;

/* changed: NULL = something was asked for; else "JOB KEY" or "JOB", as the trigger of renewd.watch tells. */
typedef void listener_fn(void *ctx, const char *changed);

/* Blocks for at most a few seconds. -EOPNOTSUPP: between us and the server stands a pooler, which gives
 * each transaction another session; nothing would be heard, and nothing is left behind in its sessions. */
int listener_open(const struct store_options *o, struct listener **ret, struct error *e);

/* Never blocks. To be watched for reading; heard is called for each thing said. -ENOTCONN: gone. */
int listener_fd(const struct listener *l);
int listener_hear(struct listener *l, listener_fn *heard, void *ctx);

void listener_close(struct listener *l);

#endif
