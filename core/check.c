/* SPDX-License-Identifier: MIT
 * See check.h.
 */
#include "core/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/api/api.h"
#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/config/config.h"
#include "core/db/connection.h"
#include "core/engine/check_job.h"

/* Where systemd keeps a running service's credentials; root may read them. */
#define SERVICE_CREDENTIALS "/run/credentials/renewd.service"

struct checked {
    struct conf_mistakes *m;
    struct secret_uses uses;
    struct config *c;
    struct plugins *plugins;
    struct job_config **jobs;
    size_t count;
};

static void checked_done(struct checked *k)
{
    jobs_free(k->jobs, k->count);
    secret_uses_done(&k->uses);
    conf_mistakes_free(k->m);
    config_free(k->c);
    plugins_free(k->plugins);
}

/* The daemon says so when it makes it. */
static void check_state_dir(const struct config *c, struct conf_mistakes *m)
{
    struct stat st;

    if (stat(c->state_dir, &st) == 0 ? !S_ISDIR(st.st_mode) : errno == ENOTDIR || lstat(c->state_dir, &st) == 0)
        conf_mistake(m, NULL, c->file, "setting 'state_dir': %s is not a directory", c->state_dir);
}

/* A mistake in renewd.conf does not end the check: those of the jobs are listed, too. */
static void check_read_all(const char *file, struct checked *ret)
{
    struct stat st;

    ret->m = conf_mistakes_new();
    config_load(file, ret->m, &ret->uses, &ret->c);
    if (ret->c && ret->c->state_dir)
        check_state_dir(ret->c, ret->m);
    if (!ret->c || stat(ret->c->conf_dir, &st) < 0)
        return;
    if (ret->c->plugin_dir && plugins_new(ret->c->plugin_dir, &ret->plugins) < 0)
        return;
    jobs_load(ret->c, ret->plugins, ret->m, &ret->uses, &ret->jobs, &ret->count);
    api_check_functions(ret->jobs, ret->count, ret->m);
}

/* Outside of the service there are no credentials; this says how to get them. */
static void explain_credentials(const struct secret_uses *uses, const char *file)
{
    cleanup(buf_done) struct buf names = {0};

    buf_init(&names, 4096);
    for (size_t i = 0; i < uses->count; i++) {
        const char *ref = uses->list[i].reference;
        if (uses->list[i].set || strncmp(ref, "credential:", 11) != 0)
            continue;
        cleanup(free_p) char *option = xasprintf(" -p LoadCredential=%s:/PATH", ref + 11);
        if (names.len == 0 || !strstr(names.data, option))
            buf_text(&names, option);
    }
    if (names.len == 0)
        return;
    printf("systemd gives credentials to a service alone (%s is not there to read them from). Check as the service "
           "would, with each /PATH as in the unit's LoadCredential= (systemctl cat renewd):\n"
           "  systemd-run --pipe --wait --collect -p User=renewd%s renewd -c %s --check\n",
           SERVICE_CREDENTIALS, names.data, file);
}

static void find_credentials(void)
{
    const char *given = getenv("CREDENTIALS_DIRECTORY");

    if ((!given || !*given) && access(SERVICE_CREDENTIALS, R_OK | X_OK) == 0) {
        setenv("CREDENTIALS_DIRECTORY", SERVICE_CREDENTIALS, 1);
        printf("credentials are read from " SERVICE_CREDENTIALS ", those of the running service\n");
    }
}

/* ---- the database ---- */

struct said {
    size_t mistakes;
};

static void say_database(void *ctx, enum check_level level, const char *job, const char *text)
{
    struct said *s = ctx;

    s->mistakes += level == CHECK_MISTAKE;
    printf("%s%s%s: %s\n", level == CHECK_WARNING ? "warning: " : "", job ? "job " : "database", job ? job : "",
           text);
}

static bool folder_is_there(const struct config *c)
{
    cleanup(free_p) char *folder = xstrdup(c->store_path);
    char *slash = strrchr(folder, '/');
    struct stat st;

    if (!slash || slash == folder)
        return true;
    *slash = '\0';
    return strcmp(folder, c->state_dir) == 0 || stat(folder, &st) == 0;
}

/* A missing SQLite file is created by the daemon, not by a check. Its folder and the jobs' tables are not created. */
static bool is_missing(const struct checked *k, struct said *s)
{
    const struct config *c = k->c;
    cleanup(free_p) char *text = NULL;
    const struct job_config *first = NULL;

    if (strcmp(c->store_driver, "sqlite") != 0 || access(c->store_path, F_OK) == 0)
        return false;
    for (size_t i = 0; i < k->count && !first; i++)
        if (k->jobs[i]->enabled && k->jobs[i]->table)
            first = k->jobs[i];
    if (!folder_is_there(c))
        text = xasprintf(
            "the folder of %s is not there, and renewd does not make it: correct the path of store, or make "
            "the folder",
            c->store_path);
    else if (first)
        text = xasprintf(
            "%s is not there, and job %s needs its table %s in it: correct the path of store, or make the "
            "database with the table",
            c->store_path, first->job, first->table);
    else
        text =
            xasprintf("%s is not there yet; renewd makes it at its first start, and jobs with tables of their own "
                      "need them there before",
                      c->store_path);
    bool mistake = first || !folder_is_there(c);
    say_database(s, mistake ? CHECK_MISTAKE : CHECK_WARNING, NULL, text);
    return true;
}

static size_t check_database(const struct checked *k)
{
    struct config *c = k->c;
    const struct store_options o = {.driver = c->store_driver,
                                    .path = c->store_path,
                                    .dsn = c->store_dsn,
                                    .network = c->store_network,
                                    .as_it_is = true};
    struct said s = {0};
    struct error e = {""};
    struct db *db = NULL;

    if (is_missing(k, &s))
        return s.mistakes;
    if (db_open(&o, &db, &e) < 0) {
        say_database(&s, CHECK_MISTAKE, NULL, e.text);
        return s.mistakes;
    }
    check_store(db, c, say_database, &s);
    for (size_t i = 0; i < k->count; i++)
        check_job(db, c, k->jobs[i], say_database, &s);
    db_close(db);
    return s.mistakes;
}

static bool may_connect(const struct config *c)
{
    return c && c->store_driver &&
           (strcmp(c->store_driver, "sqlite") == 0 ? c->store_path != NULL : c->store_dsn != NULL);
}

static void say_well(const char *file, const struct checked *k)
{
    size_t off = 0;

    for (size_t i = 0; i < k->count; i++)
        off += !k->jobs[i]->enabled;
    printf("%s: %zu job%s", file, k->count, k->count == 1 ? "" : "s");
    if (off)
        printf(" (%zu disabled)", off);
    printf(", no mistakes\n");
}

/* Jobs of one table, and the column that parts their rows; where none does, that is a mistake of the newer one. */
static void say_parted(const struct checked *k)
{
    for (size_t i = 0; i < k->count; i++)
        for (size_t n = 0; n < i; n++) {
            const struct job_config *a = k->jobs[n], *b = k->jobs[i];
            cleanup(free_p) char *overlap = NULL;
            const char *column = jobs_share(k->c, a, b) ? jobs_parted_by(k->c, a, NULL, b, NULL, &overlap) : NULL;
            if (column)
                printf("jobs %s and %s keep the same column of table %s fresh; column %s parts their rows\n",
                       a->job, b->job, a->table, column);
        }
}

int check_configuration(const char *file, bool connect)
{
    cleanup(checked_done) struct checked k = {0};

    find_credentials();
    check_read_all(file, &k);
    size_t mistakes = config_check_report(stdout, k.m, &k.uses);
    if (k.c)
        say_parted(&k);
    if (!getenv("CREDENTIALS_DIRECTORY"))
        explain_credentials(&k.uses, k.c ? k.c->file : file);
    if (connect && may_connect(k.c))
        mistakes += check_database(&k);
    else if (connect)
        printf("database: it was not looked at, since renewd.conf does not say where it is\n");
    if (k.c && !mistakes)
        say_well(file, &k);
    return mistakes || !k.c ? EXIT_CONFIG : 0;
}
