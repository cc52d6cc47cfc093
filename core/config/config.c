/* SPDX-License-Identifier: MIT
 * Reads renewd.conf: folders, store, keys. The listeners are read in config_api.c, the jobs in config_jobs.c.
 */
#include "core/config/config.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/config/config_internal.h"
#include "core/db/connection.h"
#include "core/time/duration.h"

static void dsn_take(struct reading *r, const struct conf_item *item, struct config *c)
{
    cleanup(free_p) char *left_out = NULL;
    struct error e = {""};

    if (secret_read(r, item, "dsn", &c->store_dsn) < 0 || strcmp(c->store_driver, "postgresql") != 0)
        return;
    if (store_dsn_check(c->store_dsn, &left_out, &e) < 0)
        conf_mistake(r->m, item, NULL, "setting 'dsn': %s", e.text);
    if (left_out != NULL)
        conf_warning(r->m, item, NULL,
                     "setting 'dsn': libpq does not know these parameters of it, which are left out: %s", left_out);
}

static void store_read(struct reading *r, const struct conf_item *root, struct config *c)
{
    static const char *const known[] = {"driver", "path", "dsn", "wal", "network", NULL};
    static const char *const drivers[] = {"sqlite", "postgresql", NULL};
    const struct conf_item *store = NULL;
    const char *path = "renewd.db";
    size_t driver = 0;

    conf_get_group(root, "store", CONF_OPTIONAL, r->m, &store);
    conf_refuse_unknown(store, known, r->m);
    bool chosen = store == NULL || conf_get_choice(store, "driver", CONF_REQUIRED, drivers, r->m, &driver);
    c->store_driver = xstrdup(drivers[driver]);
    conf_get_text(store, "path", CONF_OPTIONAL, r->m, &path);
    conf_get_bool(store, "wal", CONF_OPTIONAL, r->m, &c->store_wal);
    conf_get_bool(store, "network", CONF_OPTIONAL, r->m, &c->store_network);
    c->store_path = path_in(c->state_dir, path);
    const struct conf_item *dsn = conf_child(store, "dsn");
    if (dsn != NULL)
        dsn_take(r, dsn, c);
    if (!chosen)
        return;
    if (driver == 0 && path[0] == '\0')
        conf_mistake(r->m, conf_child(store, "path"), NULL, "setting 'path' is empty");
    if (driver == 0 && dsn != NULL)
        conf_mistake(r->m, dsn, NULL, "setting 'dsn' belongs to driver \"postgresql\"; SQLite has 'path'");
    if (driver == 1 && conf_child(store, "path") != NULL)
        conf_mistake(r->m, conf_child(store, "path"), NULL,
                     "setting 'path' belongs to driver \"sqlite\"; PostgreSQL has 'dsn'");
    for (size_t i = 0; driver == 1 && i < 2; i++) {
        const struct conf_item *own = conf_child(store, i ? "network" : "wal");
        if (own != NULL)
            conf_mistake(r->m, own, NULL, "setting '%s' belongs to driver \"sqlite\"", i ? "network" : "wal");
    }
    if (driver == 1 && dsn == NULL)
        conf_mistake(r->m, store, NULL,
                     "setting 'dsn' is missing in 'store'; for example dsn = \"env:DATABASE_URL\"");
}

static void key_read(struct reading *r, const struct conf_item *item, struct config *c)
{
    static const char *const known[] = {"id", "secret", NULL};
    cleanup(secret_free_p) struct secret *secret = NULL;
    const struct conf_item *reference = conf_child(item, "secret");
    struct error e = {""};
    const char *id;

    conf_refuse_unknown(item, known, r->m);
    bool named = conf_get_text(item, "id", CONF_REQUIRED, r->m, &id);
    if (reference == NULL)
        conf_mistake(r->m, item, NULL, "setting 'secret' is missing in a key of 'keys'");
    else if (secret_read(r, reference, "secret", &secret) == 0 && named &&
             keyring_add(c->keys, id, secret_text(secret), &e) < 0)
        conf_mistake(r->m, reference, NULL, "%s", e.text);
}

static void keys_read(struct reading *r, const struct conf_item *root, struct config *c)
{
    const struct conf_item *keys;

    keyring_new(&c->keys);
    if (conf_child(root, "keys") == NULL)
        conf_mistake(r->m, root, NULL,
                     "setting 'keys' is missing; for example keys = ( { id = \"k1\"; secret = "
                     "\"env:TOKEN_ENCRYPTION_KEY\"; } ); renewctl keygen makes a key");
    else if (conf_get_group_list(root, "keys", CONF_REQUIRED, r->m, &keys))
        for (size_t i = 0; i < conf_count(keys); i++)
            key_read(r, conf_at(keys, i), c);
}

static void spool_keep_read(struct reading *r, const struct conf_item *root, struct config *c)
{
    const char *text = "1g";

    conf_get_text(root, "spool_keep", CONF_OPTIONAL, r->m, &text);
    if (size_parse(text, &c->spool_keep) < 0 || c->spool_keep < 1024 * 1024)
        conf_mistake(r->m, conf_child(root, "spool_keep"), NULL,
                     "setting 'spool_keep' must be a size in quotes such as \"64m\" or \"1g\", at "
                     "least \"1m\"");
}

/* Not shorter than what a host keeps on its spool and writes back (a day). */
static void spent_keep_read(struct reading *r, const struct conf_item *root, struct config *c)
{
    static const int64_t day_ms = 86400000;
    const struct conf_item *item = conf_child(root, "spent_keep");
    const char *text = "90d";
    int64_t ms = 0;

    conf_get_text(root, "spent_keep", CONF_OPTIONAL, r->m, &text);
    if (duration_parse(text, &ms) < 0 || ms < 2 * day_ms || ms > 3650 * day_ms)
        conf_mistake(r->m, item, NULL,
                     "setting 'spent_keep' must be a duration in quotes such as \"90d\", from \"2d\" to \"3650d\"");
    else if (ms < 90 * day_ms)
        conf_warning(
            r->m, item, NULL,
            "spent_keep = \"%s\": credentials that were replaced longer ago are no longer known as spent. If a "
            "backup that is older is restored, or a row gets such a credential back, renewd presents it, and "
            "a provider whose tokens may be used once may revoke the grant. Keep no backup that is older",
            text);
    c->spent_keep_s = ms / 1000;
}

static void stop_wait_read(struct reading *r, const struct conf_item *root, struct config *c)
{
    const char *text = "45s";

    conf_get_text(root, "stop_wait", CONF_OPTIONAL, r->m, &text);
    if (duration_parse(text, &c->stop_wait_ms) < 0 || c->stop_wait_ms < 1000 || c->stop_wait_ms > 600000)
        conf_mistake(r->m, conf_child(root, "stop_wait"), NULL,
                     "setting 'stop_wait' must be a duration in quotes such as \"45s\", from \"1s\" to \"10m\"");
}

static void public_url_read(struct reading *r, const struct conf_item *root, struct config *c)
{
    text_take(r, root, "public_url", &c->public_url);
    const char *wrong = c->public_url ? url_wrong(c->public_url, false) : NULL;
    if (wrong)
        conf_mistake(r->m, conf_child(root, "public_url"), NULL, "setting 'public_url' %s", wrong);
}

/* It may be a link, so that it can be moved to another disk; a warning says that it is one. */
static void state_dir_look(struct reading *r, const struct conf_item *item, const char *path)
{
    struct stat st;

    if (lstat(path, &st) < 0)
        return;
    bool linked = S_ISLNK(st.st_mode);
    if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode)) /* the daemon reports a failure when it creates it */
        return;
    if (st.st_mode & S_IWOTH) {
        conf_mistake(
            r->m, item, item ? NULL : path,
            "the state directory may be written by everybody (mode %04o), who could remove new credentials or put old "
            "ones back: chmod 700 %s; if its mode cannot be changed, set state_dir to a folder in it, which renewd "
            "makes",
            (unsigned)st.st_mode & 07777, path);
        return;
    }
    if (linked)
        conf_warning(r->m, item, item ? NULL : path,
                     "the state directory is a symbolic link: check the owner and mode of the "
                     "folder that it points to, and who may replace the link");
    if (st.st_mode & S_IWGRP)
        conf_warning(r->m, item, item ? NULL : path,
                     "the state directory may be written by its group (mode %04o), who could "
                     "remove new credentials: chmod 700 %s",
                     (unsigned)st.st_mode & 07777, path);
}

static void folders_read(struct reading *r, const struct conf_item *root, struct config *c)
{
    struct stat st;

    c->conf_dir = path_in(r->dir, "conf.d");
    c->plugin_dir = xstrdup(PLUGINDIR);
    c->state_dir = xstrdup(LOCALSTATEDIR "/lib/renewd");
    path_take(r, root, "conf_dir", &c->conf_dir);
    path_take(r, root, "plugin_dir", &c->plugin_dir);
    path_take(r, root, "state_dir", &c->state_dir);
    if (stat(c->conf_dir, &st) < 0 || !S_ISDIR(st.st_mode)) {
        const struct conf_item *item = conf_child(root, "conf_dir");
        conf_mistake(r->m, item ? item : root, NULL, "the folder of the jobs, conf_dir, is not there: %s",
                     c->conf_dir);
    }
    state_dir_look(r, conf_child(root, "state_dir"), c->state_dir);
    modes_look(r->m, NULL, "this file", c->file);
    modes_look(r->m, conf_child(root, "conf_dir"), "the folder of the jobs", c->conf_dir);
    modes_look(r->m, conf_child(root, "plugin_dir"), "the folder of the plugins", c->plugin_dir);
}

/* The file's own folder, links resolved, so that everything relative has one meaning. */
static int place_find(const char *path, struct config *c, struct error *e)
{
    cleanup(free_p) char *copy = xstrdup(path);
    char *slash = strrchr(copy, '/');
    char real[PATH_MAX];

    if (slash != NULL)
        *slash = '\0';
    const char *dir = slash == NULL ? "." : copy[0] == '\0' ? "/" : copy;
    if (realpath(dir, real) == NULL)
        return error_set(e, -errno, "%s: the file cannot be read: %s", path, strerror(errno));
    c->dir = xstrdup(real);
    c->file = xasprintf("%s/%s", strcmp(real, "/") == 0 ? "" : real, slash ? slash + 1 : path);
    return 0;
}

/* For a file that does not parse: the default folder of jobs; the folder of plugins is unknown. */
static void unreadable(struct config *c)
{
    c->conf_dir = path_in(c->dir, "conf.d");
    c->store_driver = xstrdup("sqlite");
}

int config_load(const char *path, struct conf_mistakes *m, struct secret_uses *uses, struct config **ret)
{
    static const char *const known[] = {"conf_dir",   "plugin_dir", "state_dir", "store",      "keys",    "api",
                                        "spool_keep", "spent_keep", "stop_wait", "public_url", "sandbox", NULL};
    cleanup(conf_free_p) struct conf *conf = NULL;
    size_t before = conf_mistakes_count(m);
    struct config *c = xcalloc(1, sizeof *c);
    struct error e = {""};

    *ret = NULL;
    int r = place_find(path, c, &e);
    if (r == 0)
        r = conf_load(c->file, &conf, &e);
    if (r < 0)
        conf_mistake(m, NULL, NULL, "%s%s", e.text,
                     r == -ENOENT ? "; name another with -c FILE, or make it: an example is renewd.conf among "
                                    "the installed examples; renewd.conf(5) and renewd-job(5) explain each setting"
                                  : "");
    if (r == -EINVAL) {
        conf_warning(m, NULL, c->file,
                     "the file has a syntax error: its folders, store and plugins were not checked, and the "
                     "jobs were read from conf.d beside it");
        unreadable(c);
        *ret = c;
        return r;
    }
    if (r < 0) {
        config_free(c);
        return r;
    }
    struct reading reading = {m, uses, c->dir, true, false, NULL};
    const struct conf_item *root = conf_root(conf);
    conf_refuse_unknown(root, known, m);
    folders_read(&reading, root, c);
    store_read(&reading, root, c);
    keys_read(&reading, root, c);
    spool_keep_read(&reading, root, c);
    spent_keep_read(&reading, root, c);
    c->sandbox = true;
    conf_get_bool(root, "sandbox", CONF_OPTIONAL, m, &c->sandbox);
    stop_wait_read(&reading, root, c);
    public_url_read(&reading, root, c);
    api_read(&reading, root, c);
    *ret = c;
    return conf_mistakes_count(m) > before ? -EINVAL : 0;
}

void config_free(struct config *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->client_count; i++) {
        free(c->clients[i].name);
        crypto_wipe(c->clients[i].secret_hash, sizeof c->clients[i].secret_hash);
        texts_free(c->clients[i].jobs);
        texts_free(c->clients[i].allow);
    }
    free(c->clients);
    free(c->file);
    free(c->dir);
    free(c->conf_dir);
    free(c->plugin_dir);
    free(c->state_dir);
    free(c->store_driver);
    free(c->store_path);
    secret_free(c->store_dsn);
    keyring_free(c->keys);
    free(c->api_socket);
    free(c->api_listen);
    free(c->tls_certificate);
    secret_free(c->tls_key);
    free(c->tls_key_ref);
    free(c->public_url);
    texts_free(c->api_hosts);
    texts_free(c->token_users);
    free(c);
}
