/* SPDX-License-Identifier: MIT
 * The text of a PostgreSQL dsn, looked at before libpq sees it: what it would misread is told by place and kind,
 * never by value, since a password that is not percent-encoded may stand anywhere in it. Parameters that libpq
 * does not know are left out.
 */
#ifndef CORE_DB_DSN_H
#define CORE_DB_DSN_H

#include <stdbool.h>

struct error;

struct dsn {
    char *text;     /* for libpq */
    char *schema;   /* where tables named without one are looked for; NULL: as the role searches */
    char *left_out; /* names joined by ", "; NULL: none */
    bool url;
};

/* known: whether libpq has a parameter of that name. -EINVAL with the sentence. */
int dsn_read(const char *text, bool (*known)(const char *name), struct dsn *ret, struct error *e);
void dsn_done(struct dsn *d); /* wipes; accepts a zeroed one */

#endif
