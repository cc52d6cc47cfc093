/* SPDX-License-Identifier: MIT
 * See config_setup.h. The plugins are made up, so that no shared object is needed.
 */
#include "tests/unit/config_setup.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "tests/unit/runner.h"

/* ---- plugins ----------------------------------------------------------------------------- */

struct plugin {
    struct renewd_plugin d;
};

#define SETTING(n, t, ...)                                                       \
    &(const struct renewd_setting)                                               \
    {                                                                            \
        .size = sizeof(struct renewd_setting), .name = n, .type = t, __VA_ARGS__ \
    }
#define SLOT(n, t, ...)                                                       \
    &(const struct renewd_slot)                                               \
    {                                                                         \
        .size = sizeof(struct renewd_slot), .name = n, .type = t, __VA_ARGS__ \
    }

static const struct renewd_setting *const fake_settings[] = {
    SETTING("client_id", RENEWD_TEXT, .required = 1, .help = "the application's id"),
    SETTING("client_secret", RENEWD_TEXT, .required = 1, .secret = 1),
    SETTING("token_url", RENEWD_URL, .default_value = "https://example.org/token/"),
    SETTING("client_auth", RENEWD_TEXT, .default_value = "post", .choices = "post|basic"),
    SETTING("catch_up", RENEWD_BOOLEAN, .default_value = "true"),
    SETTING("window", RENEWD_DURATION, .default_value = "10m"),
    SETTING("size", RENEWD_INTEGER, .default_value = "7"),
    SETTING("extra", RENEWD_GROUP),
    NULL,
};

static const struct renewd_slot *const fake_slots[] = {
    SLOT("access_token", RENEWD_SECRET, .direction = RENEWD_OUT, .required = 1),
    SLOT("refresh_token", RENEWD_SECRET, .direction = RENEWD_INOUT, .required = 1, .credential = 1),
    SLOT("expires_at", RENEWD_TIME, .direction = RENEWD_INOUT),
    SLOT("domain_prefix", RENEWD_TEXT, .direction = RENEWD_IN),
    NULL,
};

static const struct renewd_slot *const period_slots[] = {SLOT("period_end", RENEWD_TIME, .direction = RENEWD_IN,
                                                              .required = 1),
                                                         NULL};

static const struct renewd_statement *const stated_statements[] = {
    &(const struct renewd_statement){.size = sizeof(struct renewd_statement),
                                     .name = "advance",
                                     .rows = RENEWD_ROWS_ONE},
    NULL,
};

static const struct plugin fake = {{.name = "fake", .settings = fake_settings, .slots = fake_slots}};
static const struct plugin stated = {{.name = "stated", .slots = period_slots, .statements = stated_statements}};

int plugins_get(struct plugins *p, const char *name, const struct plugin **ret, struct error *e)
{
    (void)p;
    *ret = strcmp(name, "fake") == 0 ? &fake : strcmp(name, "stated") == 0 ? &stated : NULL;
    return *ret ? 0 : error_set(e, -ENOENT, "there is no plugin %s", name);
}

const struct renewd_plugin *plugin_descriptor(const struct plugin *p)
{
    return &p->d;
}

int plugin_slot(const struct plugin *p, const char *name)
{
    for (int i = 0; p->d.slots[i] != NULL; i++)
        if (strcmp(p->d.slots[i]->name, name) == 0)
            return i;
    return -1;
}

/* ---- a folder for each test --------------------------------------------------------------- */

char dir[] = "/tmp/renewd-config-XXXXXX";

void put(const char *name, const char *text)
{
    cleanup(free_p) char *path = xasprintf("%s/%s", dir, name);
    FILE *f = fopen(path, "w");

    CU_ASSERT_PTR_NOT_NULL(f);
    if (f == NULL)
        return;
    fputs(text, f);
    fclose(f);
}

void make_folder(const char *name)
{
    cleanup(free_p) char *path = xasprintf("%s/%s", dir, name);
    (void)mkdir(path, 0700);
}

void empty(const char *name)
{
    cleanup(free_p) char *path = xasprintf("%s/%s", dir, name);
    DIR *d = opendir(path);
    struct dirent *entry;

    while (d && (entry = readdir(d))) {
        cleanup(free_p) char *file = xasprintf("%s/%s", path, entry->d_name);
        if (unlink(file) < 0 && entry->d_name[0] != '.') {
            cleanup(free_p) char *below = xasprintf("%s/%s", name, entry->d_name);
            empty(below);
            rmdir(file);
        }
    }
    if (d)
        closedir(d);
}

void loaded_done(struct loaded *l)
{
    jobs_free(l->jobs, l->count);
    config_free(l->c);
    secret_uses_done(&l->uses);
    conf_mistakes_free(l->m);
}

struct loaded load(void)
{
    cleanup(free_p) char *path = xasprintf("%s/renewd.conf", dir);
    struct loaded l = {.m = conf_mistakes_new()};

    (void)config_load(path, l.m, &l.uses, &l.c);
    if (l.c != NULL && access(l.c->conf_dir, R_OK) == 0)
        (void)jobs_load(l.c, NULL, l.m, &l.uses, &l.jobs, &l.count);
    return l;
}

/* The mistake that begins at place ("renewd.conf:3:") and holds these words. */
bool said(const struct loaded *l, const char *place, const char *words)
{
    for (size_t i = 0; conf_mistakes_at(l->m, i) != NULL; i++) {
        const char *text = conf_mistakes_at(l->m, i), *at = strstr(text, place);
        if (at != NULL && at[-1] == '/' && strstr(at, words) != NULL)
            return true;
    }
    printf("# expected at %s: %s\n", place, words);
    for (size_t i = 0; conf_mistakes_at(l->m, i) != NULL; i++)
        printf("#   said: %s\n", conf_mistakes_at(l->m, i));
    return false;
}

/* The warning that holds these words, and no secret. */
bool warned(const struct loaded *l, const char *place, const char *words)
{
    bool found = false;

    for (size_t i = 0; conf_warnings_at(l->m, i) != NULL; i++) {
        const char *text = conf_warnings_at(l->m, i);
        found |= strstr(text, place) != NULL && strstr(text, words) != NULL;
        CU_ASSERT_PTR_NULL(strstr(text, VALUE));
    }
    for (size_t i = 0; !found && conf_warnings_at(l->m, i) != NULL; i++)
        printf("#   warned: %s\n", conf_warnings_at(l->m, i));
    return found;
}

void check_all(const struct broken *list, const char *file)
{
    for (; list->text != NULL; list++) {
        put(file, list->text);
        cleanup(loaded_done) struct loaded l = load();
        CU_ASSERT(said(&l, list->place, list->words));
        CU_ASSERT_EQUAL(conf_mistakes_count(l.m), 1);
        if (conf_mistakes_count(l.m) != 1)
            for (size_t i = 0; conf_mistakes_at(l.m, i) != NULL; i++)
                printf("#   %s\n", conf_mistakes_at(l.m, i));
        for (size_t i = 0; conf_mistakes_at(l.m, i) != NULL; i++)
            CU_ASSERT_PTR_NULL(strstr(conf_mistakes_at(l.m, i), VALUE));
        CU_ASSERT(l.count == 0 || l.jobs[0]->mistake != NULL);
    }
}
