/* SPDX-License-Identifier: MIT
 * The typed getters of conf_check.h: a missing or wrong setting becomes a mistake that names file, line, setting,
 * what was found and what is expected.
 */
#include "core/conf/conf_check.h"

#include <stdio.h>
#include <string.h>

#include "core/conf/conf.h"
#include "core/time/duration.h"

static void wrong_kind(struct conf_mistakes *m, const struct conf_item *item, const char *expected)
{
    conf_mistake(m, item, NULL, "setting '%s' must be %s, but is %s", conf_name(item), expected,
                 conf_kind_name(item));
}

/* NULL when there is nothing to read; a missing required setting is noted. */
static const struct conf_item *conf_check_find(const struct conf_item *group, const char *name, enum conf_need need,
                                               struct conf_mistakes *m)
{
    const struct conf_item *item = conf_child(group, name);

    if (item != NULL || need == CONF_OPTIONAL)
        return item;
    if (conf_name(group) != NULL)
        conf_mistake(m, group, NULL, "setting '%s' is missing in '%s'", name, conf_name(group));
    else
        conf_mistake(m, group, NULL, "setting '%s' is missing", name);
    return NULL;
}

static const struct conf_item *find_kind(const struct conf_item *group, const char *name, enum conf_need need,
                                         struct conf_mistakes *m, enum conf_kind kind, const char *expected)
{
    const struct conf_item *item = conf_check_find(group, name, need, m);

    if (item == NULL || conf_kind(item) == kind)
        return item;
    wrong_kind(m, item, expected);
    return NULL;
}

bool conf_get_text(const struct conf_item *group, const char *name, enum conf_need need, struct conf_mistakes *m,
                   const char **ret_text)
{
    const struct conf_item *item = find_kind(group, name, need, m, CONF_TEXT, "a text in quotes");

    if (item == NULL)
        return false;
    if (need == CONF_REQUIRED && conf_text(item)[0] == '\0') {
        conf_mistake(m, item, NULL, "setting '%s' is empty", name);
        return false;
    }
    *ret_text = conf_text(item);
    return true;
}

bool conf_get_bool(const struct conf_item *group, const char *name, enum conf_need need, struct conf_mistakes *m,
                   bool *ret_value)
{
    const struct conf_item *item = find_kind(group, name, need, m, CONF_BOOL, "true or false (without quotes)");

    if (item == NULL)
        return false;
    *ret_value = conf_bool(item);
    return true;
}

bool conf_get_integer(const struct conf_item *group, const char *name, enum conf_need need, int64_t min,
                      int64_t max, struct conf_mistakes *m, int64_t *ret_value)
{
    const struct conf_item *item = find_kind(group, name, need, m, CONF_INTEGER, "an integer (without quotes)");

    if (item == NULL)
        return false;
    int64_t value = conf_integer(item);
    if (value < min || value > max) {
        conf_mistake(m, item, NULL, "setting '%s' is %lld, but must be from %lld to %lld", name, (long long)value,
                     (long long)min, (long long)max);
        return false;
    }
    *ret_value = value;
    return true;
}

bool conf_get_duration(const struct conf_item *group, const char *name, enum conf_need need, int64_t min_ms,
                       int64_t max_ms, struct conf_mistakes *m, int64_t *ret_ms)
{
    static const char expected[] = "a duration in quotes such as \"200ms\", \"10m\" or \"7d\"";
    const struct conf_item *item = find_kind(group, name, need, m, CONF_TEXT, expected);
    char least[32], most[32];
    int64_t ms;

    if (item == NULL)
        return false;
    if (duration_parse(conf_text(item), &ms) < 0) {
        conf_mistake(m, item, NULL, "setting '%s' must be %s", name, expected);
        return false;
    }
    if (ms < min_ms || ms > max_ms) {
        duration_format(min_ms, least, sizeof least);
        duration_format(max_ms, most, sizeof most);
        conf_mistake(m, item, NULL, "setting '%s' must be from %s to %s", name, least, most);
        return false;
    }
    *ret_ms = ms;
    return true;
}

bool conf_get_choice(const struct conf_item *group, const char *name, enum conf_need need,
                     const char *const *choices, struct conf_mistakes *m, size_t *ret_index)
{
    const struct conf_item *item = find_kind(group, name, need, m, CONF_TEXT, "a text in quotes");
    char list[256] = "";
    size_t used = 0;

    if (item == NULL)
        return false;
    for (size_t i = 0; choices[i] != NULL; i++) {
        if (strcmp(choices[i], conf_text(item)) == 0) {
            *ret_index = i;
            return true;
        }
        if (used < sizeof list)
            used += (size_t)snprintf(list + used, sizeof list - used, "%s\"%s\"",
                                     i == 0                   ? ""
                                     : choices[i + 1] == NULL ? " or "
                                                              : ", ",
                                     choices[i]);
    }
    conf_mistake(m, item, NULL, "setting '%s' must be %s", name, list);
    return false;
}

static bool conf_check_all_of(const struct conf_item *list, enum conf_kind kind, const char *expected,
                              struct conf_mistakes *m)
{
    for (size_t i = 0; i < conf_count(list); i++) {
        const struct conf_item *item = conf_at(list, i);
        if (conf_kind(item) != kind) {
            conf_mistake(m, item, NULL, "element %zu of '%s' must be %s, but is %s", i + 1, conf_name(list),
                         expected, conf_kind_name(item));
            return false;
        }
    }
    return true;
}

static bool not_empty(const struct conf_item *list, enum conf_need need, struct conf_mistakes *m)
{
    if (need == CONF_OPTIONAL || conf_count(list) > 0)
        return true;
    conf_mistake(m, list, NULL, "setting '%s' is empty", conf_name(list));
    return false;
}

bool conf_get_text_list(const struct conf_item *group, const char *name, enum conf_need need,
                        struct conf_mistakes *m, const struct conf_item **ret_list)
{
    const struct conf_item *item = conf_check_find(group, name, need, m);

    if (item == NULL)
        return false;
    if (conf_kind(item) == CONF_ARRAY || conf_kind(item) == CONF_LIST) {
        if (!conf_check_all_of(item, CONF_TEXT, "a text in quotes", m) || !not_empty(item, need, m))
            return false;
    } else if (conf_kind(item) != CONF_TEXT) {
        wrong_kind(m, item, "a text or an array of texts");
        return false;
    }
    *ret_list = item;
    return true;
}

size_t conf_text_list_count(const struct conf_item *list)
{
    return conf_text(list) != NULL ? 1 : conf_count(list);
}

const char *conf_text_list_at(const struct conf_item *list, size_t index)
{
    if (conf_text(list) != NULL)
        return index == 0 ? conf_text(list) : NULL;
    return conf_text(conf_at(list, index));
}

bool conf_get_group(const struct conf_item *group, const char *name, enum conf_need need, struct conf_mistakes *m,
                    const struct conf_item **ret_group)
{
    const struct conf_item *item = find_kind(group, name, need, m, CONF_GROUP, "a group { NAME = VALUE; }");

    if (item == NULL)
        return false;
    *ret_group = item;
    return true;
}

bool conf_get_group_list(const struct conf_item *group, const char *name, enum conf_need need,
                         struct conf_mistakes *m, const struct conf_item **ret_list)
{
    const struct conf_item *item =
        find_kind(group, name, need, m, CONF_LIST, "a list of groups ( { ... }, { ... } )");

    if (item == NULL || !conf_check_all_of(item, CONF_GROUP, "a group { NAME = VALUE; }", m) ||
        !not_empty(item, need, m))
        return false;
    *ret_list = item;
    return true;
}
