/* SPDX-License-Identifier: MIT
 * Removes secrets from text that comes from outside: text of a plugin, which may quote a provider, and text that
 * the engine receives. Every secret that it may hold is removed here, before the text is cut.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/redact.h"
#include "core/plugin/instance_internal.h"

static void add_text(struct redact *r, const char *secret)
{
    redact_add(r, secret, secret ? strlen(secret) : 0);
}

static void add_settings(struct redact *r, const struct renewd_host *host)
{
    const char *name, *value;

    for (size_t i = 0; i < host->plugin->setting_count; i++) {
        const struct renewd_setting *s = &host->plugin->settings[i];
        if (!s->secret)
            continue;
        add_text(r, settings_text(host->settings, s->name));
        for (size_t k = 0; settings_member(host->settings, s->name, k, &name, &value); k++)
            add_text(r, value);
    }
}

static void add_record(struct redact *r, const struct renewd_record *record)
{
    for (size_t i = 0; record->values[i]; i++)
        if (record->values[i]->type == RENEWD_SECRET && record->values[i]->present)
            redact_add(r, record->values[i]->text, record->values[i]->length);
}

static void add_effects(struct redact *r, const struct renewd_call *c)
{
    for (size_t i = 0; c->effects && i < c->effects->count; i++) {
        const struct effect *f = &c->effects->list[i];
        if (f->type == EFFECT_SET && f->text && c->host->plugin->slots[f->index].type == RENEWD_SECRET)
            redact_add(r, f->text, f->len);
    }
}

void outside_learn(struct redact *r, const struct http_reply *reply)
{
    redact_learn(r, reply->headers, reply->headers ? reply->headers_len : 0);
    redact_learn(r, reply->body, reply->body ? reply->body_len : 0);
}

/* All that the callback was shown or has said. */
static void add_call(struct redact *r, const struct renewd_call *c)
{
    if (c->view)
        add_record(r, view_records(c->view)[0]);
    add_effects(r, c);
    add_text(r, c->hidden);
    for (size_t i = 0; c->secrets && c->secrets[i]; i++)
        add_text(r, c->secrets[i]);
    if (c->reply)
        outside_learn(r, c->reply);
    redact_add_all(r, c->earlier);
}

void host_outside(const struct renewd_host *host, const char *text, char *ret, size_t size)
{
    struct redact *r = redact_new();

    add_settings(r, host);
    if (host->call)
        add_call(r, host->call);
    char *shown = redact_text(r, text ? text : "", size - 1);
    snprintf(ret, size, "%s", shown);
    free(shown);
    redact_free(r);
}

char *instance_outside(const struct instance *i, const struct slot_value *values, const char *text, size_t max)
{
    struct redact *r = redact_new();

    if (i)
        add_settings(r, &i->host);
    for (size_t k = 0; i && values && k < i->host.plugin->slot_count; k++)
        if (i->host.plugin->slots[k].type == RENEWD_SECRET)
            redact_add(r, values[k].text, values[k].len);
    char *shown = redact_text(r, text, max);
    redact_free(r);
    return shown;
}
