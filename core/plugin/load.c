/* SPDX-License-Identifier: MIT
 * See load.h. A file's headers are checked first; then it is loaded and never unloaded. A refused plugin is checked
 * again at the next request.
 */
#include "core/plugin/load.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/base/map.h"
#include "core/crypto/crypto.h"
#include "core/crypto/encoding.h"
#include "core/plugin/check.h"
#include "core/plugin/elf_check.h"

enum { FILE_MAX = 256 << 20 };

typedef const struct renewd_plugin *entry_fn(void);

struct plugins {
    char *dir;
    struct map *loaded;
};

int plugins_new(const char *plugin_dir, struct plugins **ret)
{
    struct plugins *p = xcalloc(1, sizeof(*p));

    p->dir = xstrdup(plugin_dir);
    p->loaded = map_new();
    *ret = p;
    return 0;
}

static void free_loaded(void *p)
{
    plugin_free(p);
}

void plugins_free(struct plugins *p)
{
    if (!p)
        return;
    map_free(p->loaded, free_loaded);
    free(p->dir);
    free(p);
}

/* A later major version has its own symbol; finding it gives a more useful error. */
static int no_entry(void *handle, const char *path, struct error *e)
{
    for (int major = 2; major <= 9; major++) {
        char symbol[32];
        snprintf(symbol, sizeof(symbol), "renewd_plugin_v%d", major);
        if (dlsym(handle, symbol))
            return error_set(e, -ENOTSUP,
                             "%s is built for a later renewd (it has %s); update renewd, or build "
                             "the plugin with this one's header",
                             path, symbol);
    }
    return error_set(e, -EINVAL, "%s is not a plugin of renewd: it does not export renewd_plugin_v1", path);
}

static int find_entry(const char *path, entry_fn **ret, struct error *e)
{
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);

    if (!handle) {
        const char *why = dlerror();
        return error_set(e, -ENOEXEC, "%s could not be loaded: %s", path, why ? why : "no reason given");
    }
    void *symbol = dlsym(handle, "renewd_plugin_v1");
    if (!symbol)
        return no_entry(handle, path, e);
    memcpy(ret, &symbol, sizeof(*ret));
    return 0;
}

/* It was whole a moment ago. */
static void hash_file(struct plugin *p)
{
    unsigned char hash[CRYPTO_HASH];
    char piece[4096];
    struct buf all, text;
    size_t len;
    FILE *f = fopen(p->path, "re");

    buf_init(&all, FILE_MAX);
    buf_init(&text, sizeof(p->file_hash));
    while (f && (len = fread(piece, 1, sizeof(piece), f)) > 0)
        buf_append(&all, piece, len);
    if (f && !ferror(f) && !all.failed && crypto_sha256(all.data, all.len, hash) == 0 &&
        hex_encode(&text, hash, sizeof(hash)) == 0)
        snprintf(p->file_hash, sizeof(p->file_hash), "%s", text.data);
    if (f)
        fclose(f);
    buf_done(&all);
    buf_done(&text);
}

static int load(const struct plugins *p, const char *name, struct plugin **ret, struct error *e)
{
    cleanup(free_p) char *path = xasprintf("%s/%s.so", p->dir, name);
    entry_fn *entry = NULL;

    int r = elf_check(path, e);
    if (r == -ENOENT)
        return error_set(e, r,
                         "there is no plugin %s: %s does not exist; install it, or correct the "
                         "job's plugin or renewd.conf's plugin_dir",
                         name, path);
    if (r < 0)
        return r;
    r = find_entry(path, &entry, e);
    if (r >= 0)
        r = plugin_check(entry(), name, path, ret, e);
    if (r >= 0)
        hash_file(*ret);
    return r;
}

int plugins_get(struct plugins *p, const char *name, const struct plugin **ret, struct error *e)
{
    struct plugin *plugin = NULL;

    if (!plugin_name_valid(name))
        return error_set(e, -EINVAL, "\"%s\" cannot be a plugin's name: small letters, digits and _ only", name);
    plugin = map_get(p->loaded, name);
    if (!plugin) {
        int r = load(p, name, &plugin, e);
        if (r < 0)
            return r;
        map_put(p->loaded, name, plugin);
    }
    *ret = plugin;
    return 0;
}

const struct renewd_plugin *plugin_descriptor(const struct plugin *p)
{
    return &p->descriptor;
}

const char *plugin_name(const struct plugin *p)
{
    return p->name;
}

const char *plugin_file_hash(const struct plugin *p)
{
    return p->file_hash;
}

int plugin_slot(const struct plugin *p, const char *name)
{
    for (size_t i = 0; i < p->slot_count; i++)
        if (strcmp(p->slots[i].name, name) == 0)
            return (int)i;
    return -1;
}

int plugin_statement(const struct plugin *p, const char *name)
{
    for (size_t i = 0; i < p->statement_count; i++)
        if (strcmp(p->statements[i].name, name) == 0)
            return (int)i;
    return -1;
}

int plugin_credential(const struct plugin *p)
{
    return p->credential;
}
