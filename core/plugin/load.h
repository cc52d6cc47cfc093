/* SPDX-License-Identifier: MIT
 * Finds, checks and loads plugins. A loaded plugin is never unloaded; asking twice gives the same one. No code of a
 * bad file is run: name, ELF header and size are checked before dlopen.
 */
#ifndef CORE_PLUGIN_LOAD_H
#define CORE_PLUGIN_LOAD_H

#include "core/base/error.h"
#include "core/json/json.h"
#include "renewd/plugin.h"

struct plugin;
struct plugins; /* the loaded ones of one plugin_dir */

int plugins_new(const char *plugin_dir, struct plugins **ret);
void plugins_free(struct plugins *p);
/* name: [a-z0-9_]+. The error says what is wrong with the file and what to do. */
int plugins_get(struct plugins *p, const char *name, const struct plugin **ret, struct error *e);

/* Our own copy, zero where the plugin was built with an older header; lists are checked. */
const struct renewd_plugin *plugin_descriptor(const struct plugin *p);
const char *plugin_name(const struct plugin *p);
/* Of the file that was loaded, in hexadecimal. */
const char *plugin_file_hash(const struct plugin *p);
/* Index of a slot by name, or -1; of the credential slot, or -1. */
int plugin_slot(const struct plugin *p, const char *name);
int plugin_credential(const struct plugin *p);
/* The whole descriptor as one JSON object, for `renewctl describe`. */
void plugin_describe(const struct plugin *p, struct json_writer *w);

#endif
