/* SPDX-License-Identifier: MIT
 * Reads the column mapping of a job: the slots of its plugin and the core's own columns, and what the store needs
 * of it.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/config/config_internal.h"
#include "core/rules/ident.h"
#include "core/store/user_table.h"

static const struct {
    const char *name;
    int type;
    bool written;
} core_columns[] = {
    {"account", VALUE_TEXT, false},   {"refreshed_at", VALUE_TIME, true}, {"updated_at", VALUE_TIME, true},
    {"strikes", VALUE_INTEGER, true}, {"status", VALUE_TEXT, true},       {"last_error", VALUE_TEXT, true},
};

enum { CORE_COLUMNS = sizeof core_columns / sizeof *core_columns };

static const struct renewd_slot *const *slots_of(const struct plugin *p)
{
    static const struct renewd_slot *const none[] = {NULL};
    const struct renewd_slot *const *slots = p ? plugin_descriptor(p)->slots : NULL;

    return slots ? slots : none;
}

static void column_add(struct job_config *j, const struct mapped_column *like, const char *slot, const char *column)
{
    j->columns = xrealloc(j->columns, (j->column_count + 1) * sizeof *j->columns);
    struct mapped_column *to = &j->columns[j->column_count++];
    *to = *like;
    to->slot = xstrdup(slot);
    to->column = xstrdup(column);
}

static struct mapped_column of_slot(const struct renewd_slot *slot)
{
    return (struct mapped_column){
        .type = slot->type,
        .credential = slot->credential != 0,
        .written = (slot->direction & RENEWD_OUT) != 0,
    };
}

static struct mapped_column of_core(size_t i)
{
    return (struct mapped_column){
        .type = core_columns[i].type,
        .core = true,
        .written = core_columns[i].written,
    };
}

/* One entry of `columns`, NULL when it is absent or wrong. */
static const char *column_name(struct job_reading *r, const struct conf_item *columns, const char *slot)
{
    const char *name;

    if (!conf_get_text(columns, slot, conf_child(columns, slot) ? CONF_REQUIRED : CONF_OPTIONAL, r->r.m, &name))
        return NULL;
    if (ident_valid(name))
        return name;
    conf_mistake(r->r.m, conf_child(columns, slot), NULL,
                 "setting '%s' in 'columns' must be the name of a column, 1 to 63 bytes", slot);
    return NULL;
}

static void slots_map(struct job_reading *r, const struct conf_item *columns)
{
    const struct renewd_slot *const *slot = slots_of(r->j->plugin);

    for (; *slot != NULL; slot++) {
        const char *name = column_name(r, columns, (*slot)->name);
        struct mapped_column like = of_slot(*slot);
        if (name != NULL)
            column_add(r->j, &like, (*slot)->name, name);
        else if (((*slot)->required || (*slot)->credential) && conf_child(columns, (*slot)->name) == NULL)
            conf_mistake(r->r.m, columns, NULL, "'columns' must name the column of '%s'%s, which plugin %s needs",
                         (*slot)->name, (*slot)->credential ? ", the credential" : "", r->j->plugin_name);
    }
    for (size_t i = 0; i < CORE_COLUMNS; i++) {
        const char *name = column_name(r, columns, core_columns[i].name);
        struct mapped_column like = of_core(i);
        if (name != NULL)
            column_add(r->j, &like, core_columns[i].name, name);
    }
}

static bool is_core(const char *name)
{
    for (size_t i = 0; i < CORE_COLUMNS; i++)
        if (strcmp(core_columns[i].name, name) == 0)
            return true;
    return false;
}

static void columns_unknown_refuse(struct job_reading *r, const struct conf_item *columns)
{
    const struct renewd_slot *const *slots = slots_of(r->j->plugin);
    cleanup(buf_done) struct buf names = {0};

    buf_init(&names, 300);
    for (size_t i = 0; slots[i] != NULL; i++)
        names_append(&names, slots[i]->name);
    for (size_t i = 0; i < CORE_COLUMNS; i++)
        names_append(&names, core_columns[i].name);
    for (size_t i = 0; i < conf_count(columns); i++) {
        const struct conf_item *item = conf_at(columns, i);
        if (plugin_slot(r->j->plugin, conf_name(item)) < 0 && !is_core(conf_name(item)))
            conf_mistake(r->r.m, item, NULL, "unknown slot '%s' in 'columns'; plugin %s and renewd know: %s",
                         conf_name(item), r->j->plugin_name, names.data);
    }
}

/* Two values in one column would overwrite each other. */
static void twice_refuse(struct job_reading *r, const struct conf_item *columns)
{
    const struct job_config *j = r->j;

    for (size_t i = 0; i < j->column_count; i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(j->columns[i].column, j->columns[k].column) == 0 &&
                (j->columns[i].written || j->columns[k].written))
                conf_mistake(r->r.m, conf_child(columns, j->columns[i].slot), NULL,
                             "column '%s' is given to both '%s' and '%s'", j->columns[i].column, j->columns[k].slot,
                             j->columns[i].slot);
}

void job_columns_read(struct job_reading *r, const struct conf_item *records)
{
    const struct conf_item *columns = NULL;

    if (!conf_get_group(records, "columns", CONF_REQUIRED, r->r.m, &columns) || r->j->plugin == NULL)
        return;
    columns_unknown_refuse(r, columns);
    slots_map(r, columns);
    twice_refuse(r, columns);
}

void job_columns_own(struct job_config *j)
{
    const struct renewd_slot *const *slot = slots_of(j->plugin);

    for (; *slot != NULL; slot++) {
        struct mapped_column like = of_slot(*slot);
        column_add(j, &like, (*slot)->name, (*slot)->name);
    }
    for (size_t i = 0; i < CORE_COLUMNS; i++) {
        struct mapped_column like = of_core(i);
        column_add(j, &like, core_columns[i].name, core_columns[i].name);
    }
    j->owner.column = xstrdup("owner");
}

static void owner_wish_make(struct job_config *j)
{
    const struct owner_map *o = &j->owner;
    const char *const others[] = {o->email, o->name, o->language};
    size_t n = 0;

    if (o->via == NULL)
        return;
    j->wish_owner = xcalloc(1, sizeof *j->wish_owner);
    *j->wish_owner =
        (struct owner_requirement){.via = o->via, .table = o->table, .key = o->key, .column = o->table_column};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (others[i] != NULL)
            j->wish_owner->others[n++] = others[i];
}

void job_wish_make(struct job_config *j)
{
    struct column_wish *w = xcalloc(j->column_count + j->also_count + 2, sizeof *w);
    struct only_wish *o = xcalloc(j->only_count + 1, sizeof *o);

    for (size_t i = 0; i < j->column_count; i++) {
        const struct mapped_column *c = &j->columns[i];
        w[i] = (struct column_wish){c->slot, c->column, c->type, c->core, c->credential, c->written};
    }
    size_t n = j->column_count;
    owner_wish_make(j);
    const char *owner = j->owner.via != NULL && j->owner.table_column == NULL ? j->owner.via : j->owner.column;
    if (owner != NULL)
        w[n++] = (struct column_wish){
            .slot = "owner",
            .column = owner,
            .type = VALUE_TEXT,
            .core = true,
        };
    for (size_t i = 0; i < j->also_count; i++)
        w[n++] = (struct column_wish){
            .slot = j->also[i].slot,
            .column = j->also[i].from,
            .type = VALUE_TEXT,
            .core = true,
        };
    j->wish_count = n;
    for (size_t i = 0; i < j->only_count; i++)
        o[i] = (struct only_wish){j->only[i].column, (const char *const *)j->only[i].values};
    j->wish_columns = w;
    j->wish_only = o;
}

void job_wish(const struct job_config *j, struct table_requirement *ret)
{
    bool written = false;

    for (size_t i = 0; i < j->column_count; i++)
        written = written || j->columns[i].written;
    *ret = (struct table_requirement){
        .job = j->job,
        .table = j->table,
        .key = j->key,
        .columns = j->wish_columns,
        .column_count = j->wish_count,
        .only = j->wish_only,
        .only_count = j->only_count,
        .owner = j->wish_owner,
        .times = j->times,
        .zone = j->times_zone,
        .through_statements = !written && j->statement_count > 0,
        .statements = j->statement_count > 0,
    };
}
