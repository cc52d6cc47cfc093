/* SPDX-License-Identifier: MIT
 * Reads the `settings` group of a job and checks it against what its plugin declares. Secrets are read here. Any
 * text may be a reference; a setting that is declared secret must be one.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/conf/secretref.h"
#include "core/config/config_internal.h"
#include "core/time/duration.h"

static bool settings_is_secret(const struct renewd_setting *s)
{
    return s->secret != 0 || s->type == RENEWD_SECRET;
}

static bool choice_fits(const char *choices, const char *text)
{
    size_t len = strlen(text);

    for (const char *c = choices; c != NULL; c = strchr(c, '|') ? strchr(c, '|') + 1 : NULL)
        if (strcspn(c, "|") == len && memcmp(c, text, len) == 0)
            return true;
    return false;
}

static void settings_wrong(struct job_reading *r, const struct conf_item *item, const struct renewd_setting *s,
                           const char *what)
{
    conf_mistake(r->r.m, item, NULL, "setting '%s' of plugin %s %s", s->name, r->j->plugin_name, what);
}

/* Checks a text of type TEXT, SECRET or URL and keeps it. */
static void text_put(struct job_reading *r, const struct conf_item *item, const struct renewd_setting *s,
                     const char *text, bool secret)
{
    if (s->required && text[0] == '\0') {
        settings_wrong(r, item, s, "is empty");
        return;
    }
    if (s->choices != NULL && !choice_fits(s->choices, text)) {
        cleanup(free_p) char *what = xasprintf("must be one of %s", s->choices);
        settings_wrong(r, item, s, what);
        return;
    }
    if (s->type != RENEWD_URL || text[0] == '\0') {
        if (secret)
            settings_put_secret(r->j->settings, s->name, text);
        else
            settings_put(r->j->settings, s->name, text, 0);
        return;
    }
    const char *why = url_wrong(text, r->j->allow_insecure);
    if (why != NULL) {
        settings_wrong(r, item, s, why);
        return;
    }
    cleanup(wipe_free_p) char *url = xstrdup(text);
    for (size_t len = strlen(url); url[len - 1] == '/'; len--)
        url[len - 1] = '\0';
    settings_put(r->j->settings, s->name, url, 0);
}

static void text_setting(struct job_reading *r, const struct conf_item *item, const struct renewd_setting *s)
{
    cleanup(secret_free_p) struct secret *secret = NULL;

    if (settings_is_secret(s) || (conf_text(item) != NULL && secretref_check(conf_text(item)) == 0)) {
        if (secret_read(&r->r, item, s->name, &secret) == 0)
            text_put(r, item, s, secret_text(secret), true);
        return;
    }
    if (conf_text(item) == NULL) {
        cleanup(free_p) char *what = xasprintf("must be a text in quotes, but is %s", conf_kind_name(item));
        settings_wrong(r, item, s, what);
        return;
    }
    text_put(r, item, s, conf_text(item), false);
}

static void group_setting(struct job_reading *r, const struct conf_item *item, const struct renewd_setting *s)
{
    if (conf_kind(item) != CONF_GROUP) {
        cleanup(free_p) char *what =
            xasprintf("must be a group { NAME = \"TEXT\"; }, but is %s", conf_kind_name(item));
        settings_wrong(r, item, s, what);
        return;
    }
    for (size_t i = 0; i < conf_count(item); i++) {
        const struct conf_item *member = conf_at(item, i);
        cleanup(secret_free_p) struct secret *secret = NULL;
        cleanup(wipe_free_p) char *text = NULL;
        if (conf_text(member) != NULL && secretref_check(conf_text(member)) == 0) {
            if (secret_read(&r->r, member, conf_name(member), &secret) == 0)
                settings_put_member(r->j->settings, s->name, conf_name(member), secret_text(secret), true);
        } else if ((text = scalar_text(member)) != NULL) {
            settings_put_member(r->j->settings, s->name, conf_name(member), text, false);
        } else {
            conf_mistake(r->r.m, member, NULL, "member '%s' of '%s' must be a text in quotes, but is %s",
                         conf_name(member), s->name, conf_kind_name(member));
        }
    }
}

static void number_put(struct job_reading *r, const char *name, int64_t number)
{
    char text[24];

    snprintf(text, sizeof text, "%lld", (long long)number);
    settings_put(r->j->settings, name, text, number);
}

/* The getters name the setting; the group's name in their sentences is 'settings'. */
static void given(struct job_reading *r, const struct conf_item *group, const struct renewd_setting *s)
{
    const struct conf_item *item = conf_child(group, s->name);
    int64_t number;
    bool truth;

    switch (s->type) {
    case RENEWD_INTEGER:
        if (conf_get_integer(group, s->name, CONF_REQUIRED, INT64_MIN, INT64_MAX, r->r.m, &number))
            number_put(r, s->name, number);
        break;
    case RENEWD_BOOLEAN:
        if (conf_get_bool(group, s->name, CONF_REQUIRED, r->r.m, &truth))
            settings_put(r->j->settings, s->name, truth ? "true" : "false", truth);
        break;
    case RENEWD_DURATION:
        if (!conf_get_duration(group, s->name, CONF_REQUIRED, 0, 36500 * DAY_MS, r->r.m, &number))
            break;
        if (number % SECOND_MS != 0)
            settings_wrong(r, item, s, "must be whole seconds");
        else
            settings_put(r->j->settings, s->name, conf_text(item), number / SECOND_MS);
        break;
    case RENEWD_GROUP:
        group_setting(r, item, s);
        break;
    default:
        text_setting(r, item, s);
    }
}

/* The default in the plugin's descriptor; one of the wrong form is a mistake of the plugin and reads as 0. */
static void by_default(struct job_reading *r, const struct renewd_setting *s)
{
    int64_t ms = 0;

    switch (s->type) {
    case RENEWD_INTEGER:
        number_put(r, s->name, strtoll(s->default_value, NULL, 10));
        break;
    case RENEWD_BOOLEAN:
        settings_put(r->j->settings, s->name, s->default_value, strcmp(s->default_value, "true") == 0);
        break;
    case RENEWD_DURATION:
        (void)duration_parse(s->default_value, &ms);
        settings_put(r->j->settings, s->name, s->default_value, ms / SECOND_MS);
        break;
    case RENEWD_GROUP:
        break;
    default:
        text_put(r, conf_child(r->root, "plugin"), s, s->default_value, false);
    }
}

static void settings_unknown_refuse(struct job_reading *r, const struct conf_item *group)
{
    const struct renewd_setting *const *list = plugin_descriptor(r->j->plugin)->settings;
    size_t count = 0;

    while (list != NULL && list[count] != NULL)
        count++;
    cleanup(free_p) const char **known = xcalloc(count + 1, sizeof *known);
    for (size_t i = 0; i < count; i++)
        known[i] = list[i]->name;
    conf_refuse_unknown(group, known, r->r.m);
}

/* Without the plugin the settings are unknown; references are listed nevertheless. */
static void references_read(struct job_reading *r, const struct conf_item *group)
{
    for (size_t i = 0; i < conf_count(group); i++) {
        cleanup(secret_free_p) struct secret *secret = NULL;
        const struct conf_item *item = conf_at(group, i);
        if (conf_kind(item) == CONF_GROUP)
            references_read(r, item);
        else if (conf_text(item) != NULL && conf_name(item) != NULL && secretref_check(conf_text(item)) == 0)
            (void)secret_read(&r->r, item, conf_name(item), &secret);
    }
}

void job_settings_read(struct job_reading *r)
{
    const struct conf_item *group = NULL;

    r->j->settings = settings_new();
    bool there = conf_get_group(r->root, "settings", CONF_OPTIONAL, r->r.m, &group);
    if (r->j->plugin == NULL)
        references_read(r, group);
    if (r->j->plugin == NULL || (!there && conf_child(r->root, "settings") != NULL))
        return;
    settings_unknown_refuse(r, group);
    const struct renewd_setting *const *s = plugin_descriptor(r->j->plugin)->settings;
    for (; s != NULL && *s != NULL; s++) {
        if (conf_child(group, (*s)->name) != NULL)
            given(r, group, *s);
        else if ((*s)->default_value != NULL)
            by_default(r, *s);
        else if ((*s)->required)
            conf_mistake(r->r.m, group ? group : conf_child(r->root, "plugin"), NULL,
                         "setting '%s' is missing in 'settings'; plugin %s needs it%s%s", (*s)->name,
                         r->j->plugin_name, (*s)->help ? ": " : "", (*s)->help ? (*s)->help : "");
    }
}
