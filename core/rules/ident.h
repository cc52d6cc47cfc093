/* SPDX-License-Identifier: MIT
 * Names of tables and columns as configuration writes them. Case is kept, never folded; in SQL
 * every name is quoted.
 */
#ifndef CORE_RULES_IDENT_H
#define CORE_RULES_IDENT_H

#include <stdbool.h>

#include "core/base/buf.h"
#include "core/base/error.h"

/* Splits `table`, `schema.table`, `"App"`, `public."App"`; within quotes "" is one quote and a dot is a dot.
 * ret_schema is NULL without a schema; the caller frees both. -EINVAL with a sentence. */
int ident_split(const char *text, char **ret_schema, char **ret_name, struct error *e);

/* 1..63 bytes of UTF-8 (PostgreSQL would truncate a longer one silently). */
bool ident_valid(const char *name);

/* Appends "name" with its quotes doubled. */
int ident_quote(const char *name, struct buf *to);

#endif
