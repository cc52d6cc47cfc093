/* SPDX-License-Identifier: MIT
 * Reads a loaded configuration tree. It uses no library; no function here fails or allocates.
 */
#include "core/conf/conf.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/secret.h"
#include "core/conf/conf_tree.h"

static void item_done(struct conf_item *item)
{
    for (size_t i = 0; i < item->count; i++)
        item_done(&item->items[i]);
    free(item->items);
    free(item->name);
    /* The text may be a secret, although a file should not hold one, so it is wiped. */
    wipe_free(item->text);
}

void conf_free(struct conf *conf)
{
    if (conf == NULL)
        return;
    item_done(&conf->root);
    free(conf->file);
    free(conf);
}

void conf_free_p(struct conf **conf)
{
    conf_free(*conf);
}

const struct conf_item *conf_root(const struct conf *conf)
{
    return conf != NULL ? &conf->root : NULL;
}

const struct conf_item *conf_child(const struct conf_item *group, const char *name)
{
    if (group == NULL || group->kind != CONF_GROUP)
        return NULL;
    for (size_t i = 0; i < group->count; i++)
        if (strcmp(group->items[i].name, name) == 0)
            return &group->items[i];
    return NULL;
}

const struct conf_item *conf_at(const struct conf_item *item, size_t index)
{
    return item != NULL && index < item->count ? &item->items[index] : NULL;
}

size_t conf_count(const struct conf_item *item)
{
    return item != NULL ? item->count : 0;
}

const char *conf_name(const struct conf_item *item)
{
    return item != NULL ? item->name : NULL;
}

enum conf_kind conf_kind(const struct conf_item *item)
{
    return item != NULL ? item->kind : CONF_GROUP;
}

const char *conf_kind_name(const struct conf_item *item)
{
    static const char *const names[] = {
        [CONF_TEXT] = "a text",        [CONF_INTEGER] = "an integer", [CONF_FLOAT] = "a number with a fraction",
        [CONF_BOOL] = "true or false", [CONF_GROUP] = "a group { }",  [CONF_LIST] = "a list ( )",
        [CONF_ARRAY] = "an array [ ]",
    };

    return names[conf_kind(item)];
}

unsigned conf_line(const struct conf_item *item)
{
    return item != NULL ? item->line : 0;
}

const char *conf_file(const struct conf_item *item)
{
    return item != NULL ? item->file : NULL;
}

const char *conf_text(const struct conf_item *item)
{
    return item != NULL && item->kind == CONF_TEXT ? item->text : NULL;
}

int64_t conf_integer(const struct conf_item *item)
{
    return item != NULL && item->kind == CONF_INTEGER ? item->integer : 0;
}

bool conf_bool(const struct conf_item *item)
{
    return item != NULL && item->kind == CONF_BOOL && item->truth;
}

double conf_float(const struct conf_item *item)
{
    return item != NULL && item->kind == CONF_FLOAT ? item->real : 0;
}
