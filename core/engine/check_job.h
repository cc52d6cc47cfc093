/* SPDX-License-Identifier: MIT
 * What `renewd --check --connect` checks in the live database for one job. It leaves no change behind and sends
 * nothing.
 */
#ifndef CORE_ENGINE_CHECK_JOB_H
#define CORE_ENGINE_CHECK_JOB_H

#include "core/config/config.h"

struct db;

enum check_level { CHECK_FINE, CHECK_WARNING, CHECK_MISTAKE };

/* text contains no newline; it is valid until say returns. */
typedef void check_say(void *ctx, enum check_level level, const char *job, const char *text);

/* The database itself: rights on renewd's own schema, the keys, whether it is a copy. */
void check_store(struct db *db, const struct config *c, check_say *say, void *ctx);
/* Table, columns, rights, statements, lengths, row security, triggers; one row is read, opened and its update
 * rehearsed. */
void check_job(struct db *db, struct config *c, struct job_config *j, check_say *say, void *ctx);

#endif
