/* SPDX-License-Identifier: MIT
 * A plugin's descriptor as JSON, for `renewctl describe`, which prints it as it is or as tables.
 */
#include "core/plugin/check.h"
#include "core/plugin/load.h"

static const char *replay_name(int replay)
{
    return replay == RENEWD_REPLAY_SAFE ? "safe" : replay == RENEWD_REPLAY_GRACE ? "grace" : "single_use";
}

static void describe_settings(const struct plugin *p, struct json_writer *w)
{
    json_begin_array(w, "settings");
    for (size_t i = 0; i < p->setting_count; i++) {
        const struct renewd_setting *s = &p->settings[i];
        json_begin_object(w, NULL);
        json_put_text(w, "name", s->name);
        json_put_text(w, "type", plugin_type_name(s->type));
        json_put_bool(w, "required", s->required != 0);
        json_put_bool(w, "secret", s->secret != 0);
        json_put_text(w, "default", s->default_value);
        json_put_text(w, "choices", s->choices);
        json_put_text(w, "help", s->help);
        json_end(w);
    }
    json_end(w);
}

static void describe_slots(const struct plugin *p, struct json_writer *w)
{
    static const char *const directions[] = {"", "in", "out", "inout"};

    json_begin_array(w, "slots");
    for (size_t i = 0; i < p->slot_count; i++) {
        const struct renewd_slot *s = &p->slots[i];
        json_begin_object(w, NULL);
        json_put_text(w, "name", s->name);
        json_put_text(w, "type", plugin_type_name(s->type));
        json_put_text(w, "direction", directions[s->direction]);
        json_put_bool(w, "required", s->required != 0);
        json_put_bool(w, "credential", s->credential != 0);
        json_put_bool(w, "destination", s->destination != 0);
        json_put_text(w, "help", s->help);
        json_end(w);
    }
    json_end(w);
}

static void describe_statements(const struct plugin *p, struct json_writer *w)
{
    static const char *const rows[] = {"", "one", "zero_or_one", "any"};

    json_begin_array(w, "statements");
    for (size_t i = 0; i < p->statement_count; i++) {
        const struct renewd_statement *s = &p->statements[i];
        json_begin_object(w, NULL);
        json_put_text(w, "name", s->name);
        json_begin_array(w, "parameters");
        for (size_t k = 0; s->parameters && s->parameters[k]; k++)
            json_put_text(w, NULL, plugin_type_name(s->parameters[k]));
        json_end(w);
        json_put_text(w, "rows", rows[s->rows]);
        json_put_text(w, "help", s->help);
        json_end(w);
    }
    json_end(w);
}

void plugin_describe(const struct plugin *p, struct json_writer *w)
{
    const struct renewd_plugin *d = &p->descriptor;

    json_begin_object(w, NULL);
    json_put_text(w, "name", p->name);
    json_put_text(w, "version", d->version);
    json_put_text(w, "summary", d->summary);
    json_put_text(w, "file", p->path);
    json_put_integer(w, "abi_minor", d->minor);
    json_put_text(w, "replay", replay_name(d->replay));
    if (d->replay == RENEWD_REPLAY_GRACE)
        json_put_integer(w, "replay_grace", d->replay_grace);
    json_put_bool(w, "events", d->take_event != NULL);
    if (d->take_event)
        json_put_integer(w, "event_batch", d->event_batch ? d->event_batch : 1);
    describe_settings(p, w);
    describe_slots(p, w);
    describe_statements(p, w);
    json_end(w);
}
