/* SPDX-License-Identifier: MIT
 * The loaded plugin inside core/plugin, and the check that creates it from the result of a plugin's entry function.
 * Only core/plugin and its tests include it.
 */
#ifndef CORE_PLUGIN_CHECK_H
#define CORE_PLUGIN_CHECK_H

#include "core/base/error.h"
#include "core/crypto/crypto.h"
#include "renewd/plugin.h"

/* The lists of `descriptor` point into the copies beside it. Texts stay where the plugin has them:
 * it is never unloaded. */
struct plugin {
    char *name, *path;
    char file_hash[2 * CRYPTO_HASH + 1]; /* "" = the file could not be read again */
    struct renewd_plugin descriptor;
    struct renewd_setting *settings;
    struct renewd_slot *slots;
    struct renewd_statement *statements;
    const struct renewd_setting **setting_list;
    const struct renewd_slot **slot_list;
    const struct renewd_statement **statement_list;
    size_t setting_count, slot_count, statement_count;
    int credential; /* the slot's index, or -1 */
};

/* name: what the file is called, without .so. -EINVAL with a sentence that begins with path. The
 * result is freed by plugin_free. */
int plugin_check(const struct renewd_plugin *from, const char *name, const char *path, struct plugin **ret,
                 struct error *e);
void plugin_free(struct plugin *p);
void plugin_free_p(struct plugin **p);

/* [a-z0-9_]+, at most 63. */
int plugin_name_valid(const char *name);

/* "text", "secret" ... of a setting, slot or parameter; NULL for an unknown type. */
const char *plugin_type_name(int type);
int plugin_statement(const struct plugin *p, const char *name); /* index, or -1 */

#endif
