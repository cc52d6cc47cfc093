/* SPDX-License-Identifier: MIT
 * A provider may say in its error what it was sent. What it says goes into the log, the history and answers,
 * so the secrets of the record and of the job's settings are taken out of it first.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/secret.h"
#include "core/engine/internal.h"

enum { SHORTEST = 6 /* shorter ones would tear ordinary words apart */ };

static void mask(char *text, const char *secret, size_t len)
{
    if (!secret || len < SHORTEST)
        return;
    for (char *at = text; (at = strstr(at, secret)); at += len)
        memset(at, '*', len);
}

void redact(const struct job *j, const struct values *v, char *text)
{
    const struct renewd_plugin *d = plugin_descriptor(j->config->plugin);

    if (!text)
        return;
    for (size_t i = 0; i < v->count; i++)
        if (d->slots[i]->type == RENEWD_SECRET && v->list[i].text)
            mask(text, v->list[i].text, v->list[i].len);
    for (size_t i = 0; d->settings && d->settings[i]; i++)
        if (d->settings[i]->secret) {
            const char *secret = settings_text(j->config->settings, d->settings[i]->name);
            mask(text, secret, secret ? strlen(secret) : 0);
        }
}
