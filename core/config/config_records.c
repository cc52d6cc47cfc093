/* SPDX-License-Identifier: MIT
 * Reads the `records` group of a job: its table, which rows of it, and how values are sealed. The columns are read
 * in config_columns.c.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/config/config_internal.h"
#include "core/rules/ident.h"
#include "core/rules/outcome.h"

static void only_add(struct job_config *j, const char *column, const struct conf_item *values)
{
    j->only[j->only_count].column = xstrdup(column);
    j->only[j->only_count++].values = texts_copy(values);
}

/* ( { column = "Provider Id"; value = "google"; } ): names that libconfig does not take as settings. */
static void only_list_read(struct job_reading *r, const struct conf_item *records)
{
    static const char *const known[] = {"column", "value", NULL};
    const struct conf_item *list = NULL, *values;
    const char *column;

    if (!conf_get_group_list(records, "only", CONF_OPTIONAL, r->r.m, &list))
        return;
    r->j->only = xcalloc(conf_count(list) + 1, sizeof *r->j->only);
    for (size_t i = 0; i < conf_count(list); i++) {
        const struct conf_item *rule = conf_at(list, i);
        conf_refuse_unknown(rule, known, r->r.m);
        bool named = conf_get_text(rule, "column", CONF_REQUIRED, r->r.m, &column);
        if (conf_get_text_list(rule, "value", CONF_REQUIRED, r->r.m, &values) && named)
            only_add(r->j, column, values);
    }
}

static void only_read(struct job_reading *r, const struct conf_item *records)
{
    const struct conf_item *only = conf_child(records, "only"), *list;

    if (only && conf_kind(only) == CONF_LIST) {
        only_list_read(r, records);
        return;
    }
    if (!conf_get_group(records, "only", CONF_OPTIONAL, r->r.m, &only))
        return;
    r->j->only = xcalloc(conf_count(only) + 1, sizeof *r->j->only);
    for (size_t i = 0; i < conf_count(only); i++)
        if (conf_get_text_list(only, conf_name(conf_at(only, i)), CONF_REQUIRED, r->r.m, &list))
            only_add(r->j, conf_name(conf_at(only, i)), list);
}

static void status_values_read(struct job_reading *r, const struct conf_item *records)
{
    const struct conf_item *group = NULL;
    struct job_config *j = r->j;

    if (!conf_get_group(records, "status_values", CONF_OPTIONAL, r->r.m, &group))
        return;
    j->status_values = xcalloc(conf_count(group) + 1, sizeof *j->status_values);
    for (size_t i = 0; i < conf_count(group); i++) {
        const struct conf_item *item = conf_at(group, i);
        int state = state_from_name(conf_name(item));
        if (state < 0 || state > STATE_PAUSED)
            conf_mistake(r->r.m, item, NULL,
                         "unknown state '%s' in 'status_values'; the states are ok, retrying, "
                         "rate_limited, reconnect, misconfigured, ambiguous, pending and paused",
                         conf_name(item));
        else if (conf_text(item) == NULL)
            conf_mistake(r->r.m, item, NULL,
                         "the value of '%s' in 'status_values' must be a text in quotes, but is %s",
                         conf_name(item), conf_kind_name(item));
        else
            j->status_values[j->status_value_count++] = (struct status_value){state, xstrdup(conf_text(item))};
    }
    if (conf_child(conf_child(records, "columns"), "status") == NULL)
        conf_mistake(r->r.m, group, NULL, "'status_values' needs a column: add status = \"...\"; to 'columns'");
}

static void owner_names_check(struct job_reading *r, const struct conf_item *item)
{
    static const char *const columns[] = {"via", "key", "column", "email", "name", "language"};
    cleanup(free_p) char *schema = NULL, *name = NULL;
    const struct conf_item *table = conf_child(item, "table");
    struct error e = {""};

    if (table != NULL && conf_kind(table) == CONF_TEXT && ident_split(conf_text(table), &schema, &name, &e) < 0)
        conf_mistake(r->r.m, table, NULL, "setting 'table' in 'owner': %s", e.text);
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        const struct conf_item *column = conf_child(item, columns[i]);
        if (column != NULL && conf_kind(column) == CONF_TEXT && *conf_text(column) != '\0' &&
            !ident_valid(conf_text(column)))
            conf_mistake(r->r.m, column, NULL,
                         "setting '%s' in 'owner' must be the name of one column, 1 to 63 bytes", columns[i]);
    }
}

static void owner_read(struct job_reading *r, const struct conf_item *records)
{
    static const char *const known[] = {"via", "table", "key", "column", "email", "name", "language", NULL};
    const struct conf_item *item = conf_child(records, "owner");
    struct owner_map *o = &r->j->owner;
    const char *text;

    if (item == NULL)
        return;
    if (conf_kind(item) == CONF_TEXT) {
        if (conf_get_text(records, "owner", CONF_REQUIRED, r->r.m, &text))
            o->column = xstrdup(text);
        return;
    }
    if (conf_kind(item) != CONF_GROUP) {
        conf_mistake(r->r.m, item, NULL,
                     "setting 'owner' must be a column in quotes or a group "
                     "{ via; table; key; column; email; name; language }, but is %s",
                     conf_kind_name(item));
        return;
    }
    conf_refuse_unknown(item, known, r->r.m);
    if (conf_get_text(item, "via", CONF_REQUIRED, r->r.m, &text))
        o->via = xstrdup(text);
    if (conf_get_text(item, "table", CONF_REQUIRED, r->r.m, &text))
        o->table = xstrdup(text);
    if (conf_get_text(item, "key", CONF_REQUIRED, r->r.m, &text))
        o->key = xstrdup(text);
    owner_names_check(r, item);
    text_take(&r->r, item, "column", &o->table_column);
    text_take(&r->r, item, "email", &o->email);
    text_take(&r->r, item, "name", &o->name);
    text_take(&r->r, item, "language", &o->language);
}

static void sealed_read(struct job_reading *r, const struct conf_item *records)
{
    static const char *const forms[] = {"renewd", "hex-iv-tag-data", "none", NULL};
    struct job_config *j = r->j;
    size_t form = 0;
    const char *id;

    conf_get_choice(records, "sealed", CONF_OPTIONAL, forms, r->r.m, &form);
    j->sealed = xstrdup(forms[form]);
    conf_get_bool(records, "accept_plain", CONF_OPTIONAL, r->r.m, &j->accept_plain);
    if (!conf_get_text(records, "sealed_key", CONF_OPTIONAL, r->r.m, &id))
        return;
    j->sealed_key = xstrdup(id);
    if (!keyring_has(r->c->keys, id))
        conf_mistake(r->r.m, conf_child(records, "sealed_key"), NULL,
                     "setting 'sealed_key': there is no key '%s' among the keys of renewd.conf", id);
}

static void table_read(struct job_reading *r, const struct conf_item *records)
{
    cleanup(free_p) char *schema = NULL, *name = NULL;
    struct job_config *j = r->j;
    struct error e = {""};
    const char *text;

    if (conf_get_text(records, "table", CONF_REQUIRED, r->r.m, &text)) {
        j->table = xstrdup(text);
        if (ident_split(text, &schema, &name, &e) < 0)
            conf_mistake(r->r.m, conf_child(records, "table"), NULL, "setting 'table': %s", e.text);
    }
    if (conf_get_text(records, "key", CONF_REQUIRED, r->r.m, &text)) {
        j->key = xstrdup(text);
        if (!ident_valid(text))
            conf_mistake(r->r.m, conf_child(records, "key"), NULL,
                         "setting 'key' must be the name of one column, 1 to 63 bytes");
    }
}

/* The zone of times without a zone. */
static void records_zone_read(struct job_reading *r, const struct conf_item *records)
{
    struct zone *zone = NULL;
    struct error e = {""};

    text_take(&r->r, records, "zone", &r->j->times_zone);
    if (r->j->times_zone != NULL && zone_load(r->j->times_zone, &zone, &e) < 0)
        conf_mistake(r->r.m, conf_child(records, "zone"), NULL, "setting 'zone': %s", e.text);
    zone_free(zone);
}

void job_records_read(struct job_reading *r)
{
    static const char *const known[] = {"table",         "key",   "columns", "times",      "only", "accept_plain",
                                        "status_values", "owner", "sealed",  "sealed_key", "zone", NULL};
    static const char *const times[] = {"auto", "unix", "unix_ms", "text", NULL};
    const struct conf_item *records = NULL;
    struct job_config *j = r->j;
    size_t form = 0;

    conf_get_group(r->root, "records", CONF_OPTIONAL, r->r.m, &records);
    conf_refuse_unknown(records, known, r->r.m);
    conf_get_choice(records, "times", CONF_OPTIONAL, times, r->r.m, &form);
    j->times = xstrdup(times[form]);
    if (records != NULL)
        records_zone_read(r, records);
    sealed_read(r, records);
    if (records == NULL) {
        if (conf_child(r->root, "records") == NULL)
            job_columns_own(j);
        return;
    }
    table_read(r, records);
    job_columns_read(r, records);
    only_read(r, records);
    status_values_read(r, records);
    owner_read(r, records);
}
