/* SPDX-License-Identifier: MIT
 * The checked settings of one job, as a plugin reads them through the service table. core/config creates them from
 * the job's file and the plugin's descriptor; secrets are already read.
 */
#ifndef CORE_PLUGIN_SETTINGS_H
#define CORE_PLUGIN_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/secret.h"

struct settings;

struct settings *settings_new(void);
void settings_free(struct settings *s);
/* number: INTEGER, BOOLEAN (0, 1), DURATION (seconds). The text is copied into a wiped secret. */
void settings_put(struct settings *s, const char *name, const char *text, int64_t number);
/* A secret's value: kept as secret_keep() does. */
void settings_put_secret(struct settings *s, const char *name, const char *text);
/* secret: the value is one. */
void settings_put_member(struct settings *s, const char *group, const char *name, const char *value, bool secret);
const char *settings_text(const struct settings *s, const char *name); /* NULL when absent */
int64_t settings_integer(const struct settings *s, const char *name);
/* Goes on with a hash of 32 bytes over all of them, secrets' values too. */
void settings_hash(const struct settings *s, unsigned char io_hash[32]);
int settings_member(const struct settings *s, const char *group, size_t index, const char **ret_name,
                    const char **ret_value); /* 1 or 0 */

#endif
