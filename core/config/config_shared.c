/* SPDX-License-Identifier: MIT
 * Two jobs that keep the same column of the same table fresh: which column of `only` parts their rows, or which rows
 * both would take. Where they overlap the job of the newer file alone is held.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/config/config_internal.h"
#include "core/rules/ident.h"
#include "core/store/user_table.h"

enum { OVERLAP_MAX = 2048 };

typedef int compare_fn(const char *, const char *);

static const char *credential_column(const struct job_config *j)
{
    for (size_t i = 0; i < j->column_count; i++)
        if (j->columns[i].credential)
            return j->columns[i].column;
    return NULL;
}

static char *name_alone(const char *table)
{
    char *schema = NULL, *name = NULL;
    if (ident_split(table, &schema, &name, NULL) < 0)
        name = xstrdup(table);
    free(schema);
    return name;
}

bool jobs_share(const struct config *c, const struct job_config *a, const struct job_config *b)
{
    const char *of_a = credential_column(a), *of_b = credential_column(b);
    if (!a->enabled || !b->enabled || !a->table || !b->table || !of_a || !of_b)
        return false;
    if (!store_is_sqlite(c))
        return strcmp(a->table, b->table) == 0 && strcmp(of_a, of_b) == 0;
    cleanup(free_p) char *x = also_target(a->table, "", of_a, true), *y = also_target(b->table, "", of_b, true);
    return strcmp(x, y) == 0;
}

/* As far as names tell: "tokens" and "app.tokens" may be one table. Also with one that is disabled: it may come back.
 */
bool jobs_may_share(const struct job_config *a, const struct job_config *b)
{
    const char *of_a = credential_column(a), *of_b = credential_column(b);
    if (!a->table || !b->table || !of_a || !of_b)
        return false;
    cleanup(free_p) char *x = name_alone(a->table), *y = name_alone(b->table);
    return strcasecmp(of_a, of_b) == 0 && strcasecmp(x, y) == 0;
}

bool job_is_newer(const struct job_config *a, const struct job_config *b)
{
    return a->file_time != b->file_time ? a->file_time > b->file_time : strcmp(a->file, b->file) > 0;
}

static bool also_writes(const struct also_write *list, size_t count, const char *column, compare_fn *differ)
{
    for (size_t i = 0; i < count; i++)
        if (differ(list[i].column, column) == 0)
            return true;
    return false;
}

/* renewd itself may move a row into another group. */
static bool job_writes(const struct job_config *j, const struct job_config *rows_of, const char *column,
                       bool sqlite)
{
    compare_fn *differ = sqlite ? strcasecmp : strcmp;
    cleanup(free_p) char *table = also_target(rows_of->table, "", "", sqlite);

    for (size_t i = 0; i < j->column_count; i++)
        if (j->columns[i].written && differ(j->columns[i].column, column) == 0)
            return true;
    for (size_t i = 0; i < j->also_count; i++) {
        const struct also *a = &j->also[i];
        cleanup(free_p) char *other = a->table ? also_target(a->table, "", "", sqlite) : NULL;
        if (other && strcmp(other, table) == 0 &&
            (also_writes(a->on_ok, a->on_ok_count, column, differ) ||
             also_writes(a->on_reconnect, a->on_reconnect_count, column, differ)))
            return true;
    }
    return false;
}

static const char *common_value(char *const *a, char *const *b, compare_fn *differ)
{
    for (; *a; a++)
        for (char *const *v = b; *v; v++)
            if (differ(*a, *v) == 0)
                return *a;
    return NULL;
}

/* What the store made of `only`, once it has seen the table: 1 for true, and whether capitals count. */
static char *const *group_values(const struct job_config *j, const struct table *t, size_t i)
{
    return t && t->only_count == j->only_count ? t->only[i].values : j->only[i].values;
}

static bool folds(const struct table *t, size_t i)
{
    return t && i < t->only_count && t->only[i].folds;
}

static void put_overlap(const struct job_config *a, const struct job_config *b, const struct buf *both,
                        const struct buf *written, char **ret)
{
    const struct job_config *all = !a->only_count ? a : !b->only_count ? b : NULL;
    if (all)
        *ret = xasprintf("job %s has no `only` and takes all rows", all->job);
    else if (written->len)
        *ret = xasprintf("no column parts their rows: %s parts nothing, because renewd writes it", written->data);
    else if (both->len)
        *ret = xasprintf("both take rows with %s", both->data);
    else
        *ret = xstrdup("no column is named by the `only` of both");
}

const char *jobs_parted_by(const struct config *c, const struct job_config *a, const struct table *ta,
                           const struct job_config *b, const struct table *tb, char **ret_overlap)
{
    bool sqlite = store_is_sqlite(c);
    compare_fn *other = sqlite ? strcasecmp : strcmp;
    cleanup(buf_done) struct buf both = {0}, written = {0};

    buf_init(&both, OVERLAP_MAX);
    buf_init(&written, OVERLAP_MAX);
    for (size_t i = 0; i < a->only_count; i++)
        for (size_t k = 0; k < b->only_count; k++) {
            const char *column = a->only[i].column;
            compare_fn *differ = folds(ta, i) || folds(tb, k) ? strcasecmp : strcmp;
            if (other(column, b->only[k].column) != 0)
                continue;
            const char *value = common_value(group_values(a, ta, i), group_values(b, tb, k), differ);
            if (value)
                buf_printf(&both, "%s%s = \"%s\"", both.len ? " and " : "", column, value);
            else if (job_writes(a, a, column, sqlite) || job_writes(b, a, column, sqlite))
                buf_printf(&written, "%s%s", written.len ? " and " : "", column);
            else
                return column;
        }
    put_overlap(a, b, &both, &written, ret_overlap);
    return NULL;
}

char *jobs_overlap_text(const struct job_config *newer, const struct job_config *older, const char *overlap)
{
    return xasprintf(
        "job %s keeps the same column of the same table fresh (%s of %s, in %s), and %s. Two jobs would "
        "spend each other's credentials, so that the job of the newer file is held, %s: part them by a "
        "column that the `only` of both names, with no value in common, or join them, or disable one",
        older->job, credential_column(older), older->table, older->file, overlap, newer->file);
}
