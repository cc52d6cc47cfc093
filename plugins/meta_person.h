/* SPDX-License-Identifier: MIT
 * Normalises the personal data in an event of the Conversions API into the form that Meta compares, then hashes it.
 * Linked into meta.so; includes only the public header.
 */
#ifndef PLUGINS_META_PERSON_H
#define PLUGINS_META_PERSON_H

#include <renewd/plugin.h>

/* Whether the value of this member of user_data has to be hashed. Others never are. */
int person_is_hashed(const char *key);

/* The SHA-256 of the value in hex; a value that is one already stays. NULL: nothing that could be sent is left
 * of it, and *ret_wrong says what it should have looked like ("" = it is empty, or stands for nothing).
 * country: of the same person as it was given, or NULL. */
const char *person_hash(const struct renewd_services *s, struct renewd_call *call, const char *key,
                        const char *value, const char *country, const char **ret_wrong);

#endif
