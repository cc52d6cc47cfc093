/* SPDX-License-Identifier: MIT
 * Checks the text of a PostgreSQL dsn before libpq sees it. Errors name the place and the kind of what libpq would
 * misread, never its value, because a password that is not percent-encoded may be anywhere in it. Parameters that
 * libpq does not know are left out.
 */
#ifndef CORE_DB_DSN_H
#define CORE_DB_DSN_H

#include <stdbool.h>

struct error;

struct dsn {
    char *text;     /* for libpq */
    char *schema;   /* the schema of tables named without one; NULL: the role's search_path */
    char *left_out; /* names joined by ", "; NULL: none */
    bool url;
};

/* known: whether libpq has a parameter of that name. -EINVAL with the sentence. */
int dsn_read(const char *text, bool (*known)(const char *name), struct dsn *ret, struct error *e);
void dsn_done(struct dsn *d); /* wipes; accepts a zeroed one */

#endif
