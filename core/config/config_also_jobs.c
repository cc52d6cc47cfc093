/* SPDX-License-Identifier: MIT
 * Columns of `also` that several entries write, also those of other jobs: which other keys lead to them, and that no
 * other job keeps a value of its own there.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/config/config_internal.h"
#include "core/rules/ident.h"

char *also_target(const char *table, const char *key, const char *column, bool sqlite)
{
    cleanup(free_p) char *schema = NULL, *name = NULL;
    char *target;

    if (ident_split(table, &schema, &name, NULL) < 0)
        name = xstrdup(table);
    if (sqlite)
        target = xasprintf("%s/%s/%s", name, key, column);
    else
        target = xasprintf("%s.%s/%s/%s", schema ? schema : "public", name, key, column);
    for (char *p = target; sqlite && *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return target;
}

bool store_is_sqlite(const struct config *c)
{
    return c->store_driver && strcmp(c->store_driver, "sqlite") == 0;
}

static bool also_usable(const struct also *a)
{
    return a->table && a->key;
}

/* b tells of a column that a's on_ok takes back. */
static bool also_meets(const struct also *a, const struct also *b, bool sqlite)
{
    bool meets = false;

    for (size_t i = 0; i < a->on_ok_count && !meets; i++)
        for (size_t k = 0; k < b->on_reconnect_count && !meets; k++) {
            cleanup(free_p) char *mine = also_target(a->table, "", a->on_ok[i].column, sqlite);
            cleanup(free_p) char *other = also_target(b->table, "", b->on_reconnect[k].column, sqlite);
            meets = strcmp(mine, other) == 0;
        }
    return meets;
}

static void also_add_key(struct also *a, const char *key, const char *job, bool sqlite)
{
    int (*differ)(const char *, const char *) = sqlite ? strcasecmp : strcmp;
    bool known = differ(a->key, key) == 0;

    for (size_t i = 0; i < a->other_key_count && !known; i++)
        known = differ(a->other_keys[i], key) == 0;
    if (known)
        return;
    a->other_keys = xrealloc(a->other_keys, (a->other_key_count + 1) * sizeof *a->other_keys);
    a->other_jobs = xrealloc(a->other_jobs, (a->other_key_count + 1) * sizeof *a->other_jobs);
    a->other_jobs[a->other_key_count] = xstrdup(job);
    a->other_keys[a->other_key_count++] = xstrdup(key);
}

static void also_meet(struct also *a, struct job_config *const *list, size_t count, bool sqlite)
{
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; list[i]->enabled && !list[i]->mistake && k < list[i]->also_count; k++) {
            const struct also *b = &list[i]->also[k];
            if (also_usable(b) && also_meets(a, b, sqlite))
                also_add_key(a, b->key, list[i]->job, sqlite);
        }
}

void jobs_also_meet(const struct config *c, struct job_config *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; list[i]->enabled && k < list[i]->also_count; k++)
            if (also_usable(&list[i]->also[k]))
                also_meet(&list[i]->also[k], list, count, store_is_sqlite(c));
}

bool job_also_keys_same(const struct job_config *a, const struct job_config *b)
{
    bool same = a->also_count == b->also_count;

    for (size_t i = 0; same && i < a->also_count; i++) {
        same = a->also[i].other_key_count == b->also[i].other_key_count;
        for (size_t k = 0; same && k < a->also[i].other_key_count; k++)
            same = strcmp(a->also[i].other_keys[k], b->also[i].other_keys[k]) == 0;
    }
    return same;
}

void job_also_keys_copy(struct job_config *to, const struct job_config *from)
{
    to->shares = from->shares;
    for (size_t i = 0; i < to->also_count && i < from->also_count; i++)
        for (size_t k = 0; to->also[i].key && k < from->also[i].other_key_count; k++)
            also_add_key(&to->also[i], from->also[i].other_keys[k], from->also[i].other_jobs[k], false);
}

static const struct mapped_column *written_there(const struct job_config *j, const struct also *a,
                                                 const char *column, bool sqlite)
{
    cleanup(free_p) char *meant = also_target(a->table, "", column, sqlite);
    cleanup(free_p) char *table = also_target(a->table, "", "", sqlite);
    cleanup(free_p) char *own = j->table ? also_target(j->table, "", "", sqlite) : NULL;

    for (size_t i = 0; own && strcmp(table, own) == 0 && i < j->column_count; i++) {
        cleanup(free_p) char *mapped = also_target(j->table, "", j->columns[i].column, sqlite);
        if (j->columns[i].written && strcmp(mapped, meant) == 0)
            return &j->columns[i];
    }
    return NULL;
}

void also_check_mapped(const struct config *c, const struct conf_item *root, const struct job_config *j,
                       const struct job_config *other, struct conf_mistakes *m)
{
    const struct conf_item *list = conf_child(root, "also");

    for (size_t i = 0; j->enabled && other->enabled && i < j->also_count; i++) {
        const struct also *a = &j->also[i];
        const struct mapped_column *there = NULL;
        for (size_t k = 0; also_usable(a) && !there && k < a->on_ok_count; k++)
            there = written_there(other, a, a->on_ok[k].column, store_is_sqlite(c));
        for (size_t k = 0; also_usable(a) && !there && k < a->on_reconnect_count; k++)
            there = written_there(other, a, a->on_reconnect[k].column, store_is_sqlite(c));
        if (there)
            conf_mistake(
                m, conf_at(list, i), j->file,
                "job '%s' writes column '%s' of table '%s' by 'also', and job '%s' in %s writes it as %s: "
                "the value that was written last would stand, whatever is true; give 'also' another column",
                j->job, there->column, a->table, other->job, other->file, there->slot);
    }
}
