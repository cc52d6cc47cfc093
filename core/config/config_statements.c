/* SPDX-License-Identifier: MIT
 * Reads the files of a plugin's named statements. Their SQL is checked against the database later.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/base/file.h"
#include "core/config/config_internal.h"

enum { STATEMENT_MAX = 64 * 1024, FOLDERS = 2 };

/* The folders to search, in this order; NULL ends the list early. */
static void folders_of(const struct job_reading *r, const char *own, char *folders[FOLDERS])
{
    const char *driver = r->c->store_driver;

    if (own != NULL) {
        folders[0] = path_in(r->r.dir, own);
        return;
    }
    folders[0] = xasprintf("%s/sql/%s/%s", r->r.dir, driver, r->j->plugin_name);
    folders[1] = xasprintf("%s/renewd/sql/%s/%s", DATADIR, driver, r->j->plugin_name);
}

/* NULL when it is in none of them, or cannot be read (a mistake, noted). */
static char *statement_read(struct job_reading *r, char *const folders[FOLDERS], const char *name, bool *ret_wrong)
{
    for (size_t i = 0; i < FOLDERS && folders[i] != NULL; i++) {
        cleanup(free_p) char *path = xasprintf("%s/%s.sql", folders[i], name);
        cleanup(buf_done) struct buf text = {0};
        int code = file_read(path, STATEMENT_MAX, &text);
        if (code == -ENOENT || code == -ENOTDIR)
            continue;
        if (code == 0 && text.len > 0 && strlen(text.data) == text.len)
            return buf_steal(&text);
        *ret_wrong = true;
        conf_mistake(r->r.m, conf_child(r->root, "plugin"), NULL, "statement '%s': file %s %s%s", name, path,
                     code < 0 ? "cannot be read: " : "is empty or not UTF-8 text", code < 0 ? strerror(-code) : "");
        return NULL;
    }
    return NULL;
}

static void statement_take(struct job_reading *r, char *const folders[FOLDERS], const char *name)
{
    struct job_config *j = r->j;
    const struct conf_item *at = conf_child(r->root, "statements");
    bool known_wrong = false;

    char *sql = statement_read(r, folders, name, &known_wrong);
    if (sql != NULL) {
        j->statements[j->statement_count++] = (struct job_statement){xstrdup(name), sql};
    } else if (!known_wrong) {
        conf_mistake(r->r.m, at ? at : conf_child(r->root, "plugin"), NULL,
                     "statement '%s' of plugin %s is missing: there is no file %s/%s.sql%s%s%s%s%s", name,
                     j->plugin_name, folders[0], name, folders[1] ? " nor " : "", folders[1] ? folders[1] : "",
                     folders[1] ? "/" : "", folders[1] ? name : "", folders[1] ? ".sql" : "");
    }
}

void job_statements_read(struct job_reading *r)
{
    const struct renewd_statement *const *list;
    char *folders[FOLDERS] = {NULL, NULL};
    const char *own = NULL;
    size_t count = 0;
    bool known_wrong = false;

    conf_get_text(r->root, "statements", conf_child(r->root, "statements") ? CONF_REQUIRED : CONF_OPTIONAL, r->r.m,
                  &own);
    if (r->j->plugin == NULL || (own == NULL && conf_child(r->root, "statements") != NULL))
        return;
    list = plugin_descriptor(r->j->plugin)->statements;
    while (list != NULL && list[count] != NULL)
        count++;
    folders_of(r, own, folders);
    r->j->statements = xcalloc(count + 1, sizeof *r->j->statements);
    for (size_t i = 0; i < count; i++)
        statement_take(r, folders, list[i]->name);
    r->j->ready_sql = statement_read(r, folders, "ready", &known_wrong);
    for (size_t i = 0; i < FOLDERS; i++)
        free(folders[i]);
}
