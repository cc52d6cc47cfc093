/* SPDX-License-Identifier: MIT
 * What the parsers of the two forms of a dsn share. Only dsn*.c includes it.
 */
#ifndef CORE_DB_DSN_INTERNAL_H
#define CORE_DB_DSN_INTERNAL_H

#include <stddef.h>

#include "core/base/buf.h"
#include "core/base/error.h"
#include "core/db/dsn.h"

/* "the dsn cannot be used: WHAT"; -EINVAL. */
int dsn_refuse(struct error *e, const char *what);
/* A parameter that libpq does not know. If an unescaped password may have been split, the error repeats the name
 * only if another library is known to use it. */
int dsn_leave_out(struct dsn *d, const char *name, const char *value, bool after_password, struct error *e);
bool dsn_ports_fit(const char *text, size_t len);
int dsn_check_sslmode(const char *value, struct error *e);
int dsn_url(const char *text, bool (*known)(const char *name), struct dsn *d, struct error *e);

#endif
