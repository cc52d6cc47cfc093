/* SPDX-License-Identifier: MIT
 * See check.h. Copies a descriptor and its lists into structs of this version, with zeros where the plugin was
 * built with an older header, and rejects what cannot work, with one sentence for each fault.
 */
#include "core/plugin/check.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"

enum {
    NAME_MAX_LENGTH = 63,
    LIST_MAX = 128,
    SIZE_ABSURD = 65536,
    SCRATCH_MAX = 1024 * 1024,
    EVENT_BATCH_MAX = 10000
};

/* What every plugin of this major has: all members up to and with the named one. */
#define UP_TO(type, member) (offsetof(type, member) + sizeof(((type *)0)->member))

int plugin_name_valid(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");
    return len > 0 && len <= NAME_MAX_LENGTH && name[len] == '\0';
}

const char *plugin_type_name(int type)
{
    static const char *const names[] = {NULL,      "text",     "secret", "time",  "integer",
                                        "boolean", "duration", "url",    "group", "as_read"};
    return type > 0 && type < (int)(sizeof(names) / sizeof(names[0])) ? names[type] : NULL;
}

static int plugin_check_refuse(const struct plugin *p, struct error *e, const char *what, const char *which)
{
    return error_set(e, -EINVAL, "%s %s%s%s", p->path, what, which ? " " : "", which ? which : "");
}

static const void *list_item(const void *list, size_t i)
{
    const void *item;
    memcpy(&item, (const char *)list + i * sizeof(item), sizeof(item));
    return item;
}

/* A NULL-terminated list of sized structs as an array of ours. */
static int copy_list(const struct plugin *p, const void *list, size_t least, size_t ours, const char *what,
                     void **ret, size_t *ret_count, struct error *e)
{
    size_t count = 0;

    while (list && list_item(list, count))
        if (++count > LIST_MAX)
            return plugin_check_refuse(p, e, "has a list without an end, or too many", what);
    char *copies = xcalloc(count + 1, ours);
    for (size_t i = 0; i < count; i++) {
        const void *item = list_item(list, i);
        size_t size;
        memcpy(&size, item, sizeof(size));
        if (size < least || size > SIZE_ABSURD) {
            free(copies);
            return plugin_check_refuse(p, e, "gives a wrong size (.size = sizeof) in its", what);
        }
        memcpy(copies + i * ours, item, size < ours ? size : ours);
    }
    *ret = copies;
    *ret_count = count;
    return 0;
}

static int copy_settings(struct plugin *p, const struct renewd_plugin *from, struct error *e)
{
    void *copies;
    int r = copy_list(p, from->settings, UP_TO(struct renewd_setting, help), sizeof(struct renewd_setting),
                      "settings", &copies, &p->setting_count, e);
    if (r < 0)
        return r;
    p->settings = copies;
    p->setting_list = xcalloc(p->setting_count + 1, sizeof(*p->setting_list));
    for (size_t i = 0; i < p->setting_count; i++)
        p->setting_list[i] = &p->settings[i];
    p->descriptor.settings = p->setting_list;
    return 0;
}

static int copy_slots(struct plugin *p, const struct renewd_plugin *from, struct error *e)
{
    void *copies;
    int r = copy_list(p, from->slots, UP_TO(struct renewd_slot, help), sizeof(struct renewd_slot), "slots", &copies,
                      &p->slot_count, e);
    if (r < 0)
        return r;
    p->slots = copies;
    p->slot_list = xcalloc(p->slot_count + 1, sizeof(*p->slot_list));
    for (size_t i = 0; i < p->slot_count; i++)
        p->slot_list[i] = &p->slots[i];
    p->descriptor.slots = p->slot_list;
    return 0;
}

static int copy_statements(struct plugin *p, const struct renewd_plugin *from, struct error *e)
{
    void *copies;
    int r = copy_list(p, from->statements, UP_TO(struct renewd_statement, help), sizeof(struct renewd_statement),
                      "statements", &copies, &p->statement_count, e);
    if (r < 0)
        return r;
    p->statements = copies;
    p->statement_list = xcalloc(p->statement_count + 1, sizeof(*p->statement_list));
    for (size_t i = 0; i < p->statement_count; i++)
        p->statement_list[i] = &p->statements[i];
    p->descriptor.statements = p->statement_list;
    return 0;
}

static int check_settings(struct plugin *p, struct error *e)
{
    for (size_t i = 0; i < p->setting_count; i++) {
        struct renewd_setting *s = &p->settings[i];
        if (!s->name || !plugin_name_valid(s->name))
            return plugin_check_refuse(p, e, "has a setting whose name is not [a-z0-9_]+:", s->name);
        if (s->type < RENEWD_TEXT || s->type > RENEWD_GROUP)
            return plugin_check_refuse(p, e, "gives an unknown type to its setting", s->name);
        s->secret = s->secret || s->type == RENEWD_SECRET;
        for (size_t k = 0; k < i; k++)
            if (strcmp(p->settings[k].name, s->name) == 0)
                return plugin_check_refuse(p, e, "has two settings named", s->name);
    }
    return 0;
}

/* Names that jobs already use in `columns` for values of renewd's own. */
static bool slot_name_taken(const char *name)
{
    static const char *const taken[] = {"id",    "key",        "account", "refreshed_at", "status",
                                        "owner", "updated_at", "strikes", "last_error"};
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
        if (strcmp(taken[i], name) == 0)
            return true;
    return false;
}

/* The type that a name has in every plugin, or 0. */
static int common_type(const char *name)
{
    if (strcmp(name, "access_token") == 0 || strcmp(name, "refresh_token") == 0)
        return RENEWD_SECRET;
    if (strcmp(name, "expires_at") == 0 || strcmp(name, "refresh_expires_at") == 0)
        return RENEWD_TIME;
    return strcmp(name, "scope") == 0 ? RENEWD_TEXT : 0;
}

static int check_slot(const struct plugin *p, const struct renewd_slot *s, struct error *e)
{
    if (!s->name || !plugin_name_valid(s->name))
        return plugin_check_refuse(p, e, "has a slot whose name is not [a-z0-9_]+:", s->name);
    if (slot_name_taken(s->name))
        return plugin_check_refuse(p, e, "names a slot as renewd names a value of its own:", s->name);
    if (s->type < RENEWD_TEXT || s->type > RENEWD_INTEGER)
        return plugin_check_refuse(p, e, "gives an unknown type to its slot", s->name);
    if (common_type(s->name) && s->type != common_type(s->name))
        return plugin_check_refuse(p, e, "gives another type than all plugins to its slot", s->name);
    if (s->direction < RENEWD_IN || s->direction > RENEWD_INOUT)
        return plugin_check_refuse(p, e, "gives an unknown direction to its slot", s->name);
    if (s->credential && (s->type != RENEWD_SECRET || !(s->direction & RENEWD_IN)))
        return plugin_check_refuse(p, e, "marks a credential that is not a secret read from the record:", s->name);
    if (s->destination && ((s->type != RENEWD_TEXT && s->type != RENEWD_INTEGER) || !(s->direction & RENEWD_IN)))
        return plugin_check_refuse(p, e, "marks a destination that is not a text or integer read from the record:",
                                   s->name);
    return 0;
}

static int check_slots(struct plugin *p, struct error *e)
{
    p->credential = -1;
    for (size_t i = 0; i < p->slot_count; i++) {
        const struct renewd_slot *s = &p->slots[i];
        int r = check_slot(p, s, e);
        if (r < 0)
            return r;
        for (size_t k = 0; k < i; k++)
            if (strcmp(p->slots[k].name, s->name) == 0)
                return plugin_check_refuse(p, e, "has two slots named", s->name);
        if (s->credential && p->credential >= 0)
            return plugin_check_refuse(p, e, "marks more than one slot as the credential, also", s->name);
        if (s->credential)
            p->credential = (int)i;
    }
    return 0;
}

static int check_statements(const struct plugin *p, struct error *e)
{
    for (size_t i = 0; i < p->statement_count; i++) {
        const struct renewd_statement *s = &p->statements[i];
        if (!s->name || !plugin_name_valid(s->name) || strcmp(s->name, "ready") == 0)
            return plugin_check_refuse(p, e,
                                       "has a statement whose name is not [a-z0-9_]+, or is \"ready\":", s->name);
        for (size_t k = 0; k < i; k++)
            if (strcmp(p->statements[k].name, s->name) == 0)
                return plugin_check_refuse(p, e, "has two statements named", s->name);
        if (s->rows < RENEWD_ROWS_ONE || s->rows > RENEWD_ROWS_ANY)
            return plugin_check_refuse(p, e, "gives an unknown row count to its statement", s->name);
        for (size_t k = 0; s->parameters && s->parameters[k]; k++) {
            int type = s->parameters[k];
            if (type != RENEWD_TEXT && type != RENEWD_INTEGER && type != RENEWD_TIME && type != RENEWD_AS_READ)
                return plugin_check_refuse(p, e, "gives an unknown type to a parameter of its statement", s->name);
            if (k >= LIST_MAX)
                return plugin_check_refuse(p, e, "has parameters without an end in its statement", s->name);
        }
    }
    return 0;
}

static int check_head(struct plugin *p, struct error *e)
{
    const struct renewd_plugin *d = &p->descriptor;

    if (!d->name || !plugin_name_valid(d->name))
        return plugin_check_refuse(p, e, "has a name that is not [a-z0-9_]+:", d->name);
    if (strcmp(d->name, p->name) != 0)
        return error_set(e, -EINVAL, "%s calls itself %s; a plugin's name is its file's: name it %s.so", p->path,
                         d->name, d->name);
    if (!d->version || !*d->version)
        return plugin_check_refuse(p, e, "has no version", NULL);
    if (d->replay < RENEWD_REPLAY_SAFE || d->replay > RENEWD_REPLAY_SINGLE_USE)
        return plugin_check_refuse(p, e, "does not say what repeating a credential means (.replay)", NULL);
    if (d->replay_grace < 0 || (d->replay_grace > 0 && d->replay != RENEWD_REPLAY_GRACE))
        return plugin_check_refuse(p, e, "gives a .replay_grace that does not fit its .replay", NULL);
    if (d->scratch_size > SCRATCH_MAX)
        return plugin_check_refuse(p, e, "wants more than 1 MiB of scratch memory", NULL);
    if (!d->open)
        return plugin_check_refuse(p, e, "lacks the callback open", NULL);
    if (!d->needs_refresh)
        return plugin_check_refuse(p, e, "lacks the callback needs_refresh", NULL);
    if (!d->refresh)
        return plugin_check_refuse(p, e, "lacks the callback refresh", NULL);
    if (!d->take_event != !d->send_events)
        return plugin_check_refuse(p, e,
                                   d->take_event ? "takes events and lacks the callback send_events"
                                                 : "sends events and lacks the callback take_event",
                                   NULL);
    if (d->event_batch < 0 || d->event_batch > EVENT_BATCH_MAX)
        return plugin_check_refuse(p, e, "gives an .event_batch below 0 or above 10000", NULL);
    for (const char *const *name = d->event_members; name && *name; name++)
        if (!**name || strpbrk(*name, ".\\"))
            return plugin_check_refuse(p, e,
                                       "gives a name in .event_members that is empty or has a dot or a backslash",
                                       NULL);
    return 0;
}

static int plugin_check_fill(struct plugin *p, const struct renewd_plugin *from, struct error *e)
{
    size_t size = from->size;

    if (size < UP_TO(struct renewd_plugin, refresh) || size > SIZE_ABSURD)
        return plugin_check_refuse(p, e,
                                   "gives a wrong size of its descriptor (.size = sizeof); "
                                   "was it built with renewd's <renewd/plugin.h>?",
                                   NULL);
    memcpy(&p->descriptor, from, size < sizeof(p->descriptor) ? size : sizeof(p->descriptor));
    if (!p->descriptor.summary)
        p->descriptor.summary = "";
    int r = check_head(p, e);
    if (r == 0)
        r = copy_settings(p, from, e);
    if (r == 0)
        r = copy_slots(p, from, e);
    if (r == 0)
        r = copy_statements(p, from, e);
    if (r == 0)
        r = check_settings(p, e);
    if (r == 0)
        r = check_slots(p, e);
    return r == 0 ? check_statements(p, e) : r;
}

int plugin_check(const struct renewd_plugin *from, const char *name, const char *path, struct plugin **ret,
                 struct error *e)
{
    cleanup(plugin_free_p) struct plugin *p = xcalloc(1, sizeof(*p));

    p->name = xstrdup(name);
    p->path = xstrdup(path);
    if (!from)
        return plugin_check_refuse(p, e, "gives no descriptor (renewd_plugin_v1 returned NULL)", NULL);
    int r = plugin_check_fill(p, from, e);
    if (r < 0)
        return r;
    *ret = p;
    p = NULL;
    return 0;
}

void plugin_free(struct plugin *p)
{
    if (!p)
        return;
    free(p->name);
    free(p->path);
    free(p->settings);
    free(p->slots);
    free(p->statements);
    free(p->setting_list);
    free(p->slot_list);
    free(p->statement_list);
    free(p);
}

void plugin_free_p(struct plugin **p)
{
    plugin_free(*p);
}
