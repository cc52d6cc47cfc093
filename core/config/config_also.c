/* SPDX-License-Identifier: MIT
 * Reads `also`: columns of another table to which a record's state is written.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/alloc.h"
#include "core/config/config_internal.h"

static void writes_read(struct job_reading *r, const struct conf_item *item, const char *name,
                        struct also_write **ret, size_t *ret_count)
{
    const struct conf_item *group = NULL;

    if (!conf_get_group(item, name, CONF_OPTIONAL, r->r.m, &group))
        return;
    *ret = xcalloc(conf_count(group) + 1, sizeof **ret);
    for (size_t i = 0; i < conf_count(group); i++) {
        const struct conf_item *column = conf_at(group, i);
        char *value = scalar_text(column);
        if (value == NULL)
            conf_mistake(r->r.m, column, NULL,
                         "column '%s' in '%s' must be given a text, a number, true or false, "
                         "but is %s",
                         conf_name(column), name, conf_kind_name(column));
        else
            (*ret)[(*ret_count)++] = (struct also_write){
                .column = xstrdup(conf_name(column)),
                .value = value,
                .boolean = conf_kind(column) == CONF_BOOL,
            };
    }
}

void job_also_read(struct job_reading *r)
{
    static const char *const known[] = {"table", "key", "from", "on_reconnect", "on_ok", NULL};
    const struct conf_item *list = NULL;
    struct job_config *j = r->j;
    const char *text;

    if (!conf_get_group_list(r->root, "also", CONF_OPTIONAL, r->r.m, &list))
        return;
    j->also = xcalloc(conf_count(list) + 1, sizeof *j->also);
    for (size_t i = 0; i < conf_count(list); i++) {
        const struct conf_item *item = conf_at(list, i);
        struct also *a = &j->also[j->also_count++];
        snprintf(a->slot, sizeof a->slot, "also:%zu", i);
        conf_refuse_unknown(item, known, r->r.m);
        if (conf_get_text(item, "table", CONF_REQUIRED, r->r.m, &text))
            a->table = xstrdup(text);
        if (conf_get_text(item, "key", CONF_REQUIRED, r->r.m, &text))
            a->key = xstrdup(text);
        if (conf_get_text(item, "from", CONF_REQUIRED, r->r.m, &text))
            a->from = xstrdup(text);
        writes_read(r, item, "on_reconnect", &a->on_reconnect, &a->on_reconnect_count);
        writes_read(r, item, "on_ok", &a->on_ok, &a->on_ok_count);
        if (conf_child(item, "on_reconnect") == NULL && conf_child(item, "on_ok") == NULL)
            conf_mistake(r->r.m, item, NULL,
                         "an element of 'also' writes nothing: give it 'on_reconnect' or 'on_ok'");
    }
}
