/* SPDX-License-Identifier: MIT
 * Records the effects that a plugin wants, in order, and checks them against its descriptor. Nothing is executed
 * here; the engine commits the list or drops it.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/secret.h"
#include "core/base/utf8.h"
#include "core/plugin/call.h"
#include "core/time/civil.h"

static void wipe_bytes(char *text, size_t len)
{
    if (text)
        explicit_bzero(text, len);
    free(text);
}

static void effect_done(struct effect *e)
{
    wipe_bytes(e->text, e->len);
    for (size_t i = 0; i < e->parameter_count; i++)
        wipe_free(e->parameters[i].text);
    free(e->parameters);
}

void effects_done(struct effects *e)
{
    for (size_t i = 0; i < e->count; i++)
        effect_done(&e->list[i]);
    free(e->list);
    *e = (struct effects){0};
}

/* A new credential that cannot be stored: the old one is spent and has no successor. */
static void refuse_credential(struct renewd_call *c, const struct renewd_slot *s, int index)
{
    struct effects *all = c->effects;

    if (!s->credential || !all)
        return;
    for (size_t i = 0; i < all->count; i++)
        if (all->list[i].type == EFFECT_SET && all->list[i].index == index && !all->list[i].is_null)
            return;
    all->credential_refused = true;
}

/* Everything that is recorded must fit into one spool entry. */
static bool has_room(const struct effects *all, size_t len)
{
    for (size_t i = 0; all && i < all->count; i++) {
        len += all->list[i].len;
        for (size_t k = 0; k < all->list[i].parameter_count; k++)
            len += all->list[i].parameters[k].text ? strlen(all->list[i].parameters[k].text) : 0;
    }
    return len <= EFFECTS_TEXT_MAX;
}

/* Room for one more, or NULL when this callback may record none or enough are there. */
static struct effect *effects_add(struct renewd_call *c, int type, int index)
{
    struct effects *all = c->effects;

    if (!all) {
        call_break(c, "recorded an effect; only refresh and on_failure may");
        return NULL;
    }
    if (all->count >= EFFECTS_MAX) {
        call_break(c, "recorded more than %d effects", EFFECTS_MAX);
        return NULL;
    }
    all->list = xrealloc(all->list, (all->count + 1) * sizeof(*all->list));
    struct effect *e = &all->list[all->count++];
    *e = (struct effect){.type = type, .index = index};
    return e;
}

static void give_text(struct effect *e, const void *text, size_t len)
{
    e->text = xmalloc(len + 1);
    if (len)
        memcpy(e->text, text, len);
    e->text[len] = '\0';
    e->len = len;
}

/* A slot set twice: the later value stands, unless once() lies between. */
static struct effect *set_again(struct effects *all, int slot)
{
    for (size_t i = all ? all->count : 0; i > 0; i--) {
        struct effect *e = &all->list[i - 1];
        if (e->type == EFFECT_KEY)
            return NULL;
        if (e->type == EFFECT_SET && e->index == slot) {
            effect_done(e);
            *e = (struct effect){.type = EFFECT_SET, .index = slot};
            return e;
        }
    }
    return NULL;
}

/* The declared slot when it may be written with one of two types, else NULL. */
static const struct renewd_slot *writable(struct renewd_call *c, const char *name, int type, int or_type,
                                          int *ret_index)
{
    int i = name ? plugin_slot(c->host->plugin, name) : -1;

    if (i < 0) {
        call_break(c, "set the slot %.63s, which its descriptor does not have", name ? name : "(none)");
        return NULL;
    }
    const struct renewd_slot *s = &c->host->plugin->slots[i];
    if (!(s->direction & RENEWD_OUT)) {
        call_break(c, "set the slot %.63s, which is only read", name);
        return NULL;
    }
    if (type && s->type != type && s->type != or_type) {
        call_break(c, "set the slot %.63s with another type than its own (%s)", name, plugin_type_name(s->type));
        return NULL;
    }
    *ret_index = i;
    return s;
}

static struct effect *effects_set_slot(struct renewd_call *c, int index)
{
    struct effect *e = set_again(c->effects, index);
    return e ? e : effects_add(c, EFFECT_SET, index);
}

static bool fits_header(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return false;
    return true;
}

void service_set_text(struct renewd_call *c, const char *slot, const char *text)
{
    int index = -1;
    const struct renewd_slot *s = writable(c, slot, RENEWD_TEXT, RENEWD_SECRET, &index);

    if (!s)
        return;
    size_t len = text ? strlen(text) : 0;
    bool access = strcmp(s->name, "access_token") == 0;
    if (len == 0 && s->credential && !access)
        return;
    if (len == 0 && s->type == RENEWD_SECRET) {
        call_unfit(c, "set the slot %.63s to an empty secret", slot);
    } else if (len > EFFECT_TEXT_MAX) {
        call_unfit(c, "set the slot %.63s to more than 64 KiB", slot);
        refuse_credential(c, s, index);
    } else if (!has_room(c->effects, len)) {
        call_unfit(c, "recorded more than 160 KiB of values in one attempt");
        refuse_credential(c, s, index);
    } else if (!utf8_valid(text ? text : "", len)) {
        call_unfit(c, "set the slot %.63s to text that is not UTF-8", slot);
        refuse_credential(c, s, index);
    } else if (s->type == RENEWD_SECRET && !fits_header(text)) {
        call_unfit(c, "set the slot %.63s to a secret with a control character, which none holds", slot);
        refuse_credential(c, s, index);
    } else if (s->type == RENEWD_TEXT && text && strchr(text, 0x7f)) {
        return; /* what the answer has there is no text: what stands in the row is better */
    } else {
        struct effect *e = effects_set_slot(c, index);
        if (!e)
            return;
        give_text(e, text, len);
        c->effects->token_set = c->effects->token_set || s->type == RENEWD_SECRET;
    }
}

static void effects_set_number(struct renewd_call *c, int index, int64_t number)
{
    struct effect *e = effects_set_slot(c, index);

    if (!e)
        return;
    e->number = number;
    e->text = xasprintf("%lld", (long long)number);
    e->len = strlen(e->text);
}

void service_set_time(struct renewd_call *c, const char *slot, int64_t time)
{
    int index = -1;

    if (!writable(c, slot, RENEWD_TIME, RENEWD_TIME, &index))
        return;
    if (time == 0)
        service_set_null(c, slot);
    else if (time < 0 || time > CIVIL_LAST)
        call_break(c, "set the slot %.63s to a time before 1970 or after 9999", slot);
    else
        effects_set_number(c, index, time);
}

void service_set_integer(struct renewd_call *c, const char *slot, int64_t number)
{
    int index = -1;

    if (writable(c, slot, RENEWD_INTEGER, RENEWD_INTEGER, &index))
        effects_set_number(c, index, number);
}

void service_set_null(struct renewd_call *c, const char *slot)
{
    int index = -1;
    const struct renewd_slot *s = writable(c, slot, 0, 0, &index);

    if (!s || s->credential)
        return;
    struct effect *e = effects_set_slot(c, index);
    if (e)
        e->is_null = true;
}

void service_memo(struct renewd_call *c, const void *bytes, size_t len)
{
    if (len > MEMO_MAX || (len && !bytes)) {
        call_break(c, "left a memo of more than 1 KiB");
        return;
    }
    struct effect *e = effects_add(c, EFFECT_MEMO, -1);
    if (e)
        give_text(e, bytes, len);
}

static int copy_parameter(struct renewd_call *c, const struct renewd_statement *s, size_t i,
                          const struct renewd_parameter *from, struct effect_parameter *ret)
{
    struct renewd_parameter p = {0};
    size_t least = offsetof(struct renewd_parameter, number) + sizeof(p.number);

    if (from->size >= least)
        memcpy(&p, from, least);
    if (!s->parameters || p.type != s->parameters[i] || (p.type == RENEWD_TEXT && !p.is_null && !p.text)) {
        call_break(c, "gave the statement %.63s a parameter %zu that is not as declared", s->name, i + 1);
        return -1;
    }
    if (p.type == RENEWD_AS_READ && (!p.text || plugin_slot(c->host->plugin, p.text) < 0)) {
        call_break(c, "gave the statement %.63s an unknown slot to read", s->name);
        return -1;
    }
    bool has_text = (p.type == RENEWD_TEXT && !p.is_null) || p.type == RENEWD_AS_READ;
    size_t len = has_text ? strlen(p.text) : 0;
    if (!has_room(c->effects, len)) {
        call_break(c, "recorded more than 160 KiB of values in one attempt");
        return -1;
    }
    if (len > EFFECT_TEXT_MAX || !utf8_valid(has_text ? p.text : "", len)) {
        call_break(c, "gave the statement %.63s a text that is no UTF-8 or over 64 KiB", s->name);
        return -1;
    }
    *ret = (struct effect_parameter){.type = p.type, .is_null = p.is_null != 0, .number = p.number};
    ret->text = has_text ? xstrdup(p.text) : NULL;
    return 0;
}

static size_t declared_count(const struct renewd_statement *s)
{
    size_t n = 0;
    while (s->parameters && s->parameters[n])
        n++;
    return n;
}

void service_run(struct renewd_call *c, const char *statement, const struct renewd_parameter *const *parameters)
{
    int index = statement ? plugin_statement(c->host->plugin, statement) : -1;
    size_t given = 0;

    if (index < 0) {
        call_break(c, "ran the statement %.63s, which its descriptor does not have",
                   statement ? statement : "(none)");
        return;
    }
    const struct renewd_statement *s = &c->host->plugin->statements[index];
    size_t wanted = declared_count(s);
    while (parameters && given <= wanted && parameters[given])
        given++;
    if (given != wanted) {
        call_break(c, "ran the statement %.63s with another number of parameters than its %zu", s->name, wanted);
        return;
    }
    struct effect *e = effects_add(c, EFFECT_STATEMENT, index);
    if (!e)
        return;
    e->parameters = xcalloc(wanted + 1, sizeof(*e->parameters));
    for (size_t i = 0; i < wanted; i++) {
        if (copy_parameter(c, s, i, parameters[i], &e->parameters[i]) < 0) {
            effect_done(e);
            c->effects->count--;
            return;
        }
        e->parameter_count = i + 1;
    }
}

void service_once(struct renewd_call *c, const char *key)
{
    size_t len = key ? strlen(key) : 0;

    if (len == 0 || len > 255 || !utf8_valid(key, len)) {
        call_break(c, "gave once() a key that is empty, over 255 bytes or not UTF-8");
        return;
    }
    struct effect *e = effects_add(c, EFFECT_KEY, -1);
    if (e)
        give_text(e, key, len);
}
