/* SPDX-License-Identifier: MIT
 * Records and replies as plugins see them: copies in the public header's structs, wiped at the end.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/json/json_mend.h"
#include "core/plugin/call.h"

struct view {
    struct arena *arena;
    struct renewd_record record;
    struct renewd_value *values;
    const struct renewd_value **list;
    const struct renewd_record *records[2];
    const char *account;
};

static void fill_value(struct view *v, const struct renewd_slot *slot, const struct slot_value *from,
                       struct renewd_value *ret)
{
    *ret = (struct renewd_value){.size = sizeof(*ret), .name = slot->name, .type = slot->type};
    if (!from || !(slot->direction & RENEWD_IN) || !from->text || from->len == 0)
        return;
    ret->present = 1;
    ret->text = arena_copy(v->arena, from->text, from->len);
    ret->length = from->len;
    if (slot->type == RENEWD_TIME || slot->type == RENEWD_INTEGER)
        ret->number = from->number;
}

struct view *view_new(const struct plugin *p, const struct record_view *r)
{
    struct view *v = xcalloc(1, sizeof(*v));

    v->arena = arena_new(SIZE_MAX);
    v->values = xcalloc(p->slot_count + 1, sizeof(*v->values));
    v->list = xcalloc(p->slot_count + 1, sizeof(*v->list));
    for (size_t i = 0; i < p->slot_count; i++) {
        fill_value(v, &p->slots[i], r->values ? &r->values[i] : NULL, &v->values[i]);
        v->list[i] = &v->values[i];
    }
    v->record = (struct renewd_record){
        .size = sizeof(v->record),
        .key = arena_text(v->arena, r->key ? r->key : ""),
        .values = v->list,
        .refreshed_at = r->refreshed_at,
        .first_seen = r->first_seen,
        .life = r->life,
        .attempts = r->attempts,
        .strikes = r->strikes,
        .memo = r->memo_len ? arena_copy(v->arena, r->memo, r->memo_len) : NULL,
        .memo_length = r->memo_len,
    };
    v->records[0] = &v->record;
    v->account = r->account ? arena_text(v->arena, r->account) : NULL;
    return v;
}

void view_free(struct view *v)
{
    if (!v)
        return;
    arena_free(v->arena);
    free(v->values);
    free(v->list);
    free(v);
}

const struct renewd_record *const *view_records(const struct view *v)
{
    return v->records;
}

const char *view_key(const struct view *v)
{
    return v && v->record.key[0] ? v->record.key : NULL;
}

const char *view_account(const struct view *v)
{
    return v ? v->account : NULL;
}

const struct renewd_value *service_slot(const struct renewd_record *record, const char *name)
{
    static const struct renewd_value absent = {.size = sizeof(absent), .name = "", .type = RENEWD_TEXT};

    for (size_t i = 0; name && record->values[i]; i++)
        if (strcmp(record->values[i]->name, name) == 0)
            return record->values[i];
    return &absent;
}

/* A new token must not be lost because another member is not valid text. The names of such members go into
 * spoiled. */
static struct json *parse_leniently(const char *body, size_t len, struct buf *spoiled)
{
    struct json *doc = NULL;
    int r = len ? json_parse(body, len, &doc, NULL) : -EINVAL;

    if (len == 0 || (r < 0 && r != -EILSEQ) || (r == 0 && !memchr(body, '\\', len)))
        return doc;
    char *copy = json_mend(body, len, spoiled);
    if (!copy)
        return doc;
    json_free(doc);
    doc = NULL;
    if (json_parse(copy, len, &doc, NULL) < 0)
        doc = NULL;
    explicit_bzero(copy, len);
    free(copy);
    return doc;
}

void message_view_init(struct reply_view *v, const struct http_reply *message, bool parsed)
{
    *v = (struct reply_view){.public = {.size = sizeof(v->public)}, .reply = message};
    v->public.body = message->body;
    v->public.length = message->body_len;
    if (parsed && json_parse(message->body, message->body_len, &v->json.doc, NULL) == 0)
        v->public.json = &v->json;
}

const struct renewd_reply *reply_view_init(struct reply_view *v, const struct http_reply *reply)
{
    *v = (struct reply_view){.public = {.size = sizeof(v->public), .body = ""}, .reply = reply};
    if (!reply)
        return NULL;
    if (reply->failure != HTTP_OK_REPLY) {
        v->reply = NULL;
        return &v->public;
    }
    v->public.status = reply->status;
    v->public.body = reply->body ? reply->body : "";
    v->public.length = reply->body ? reply->body_len : 0;
    buf_init(&v->spoiled, SPOILED_MAX);
    v->json.doc = parse_leniently(v->public.body, v->public.length, &v->spoiled);
    if (v->json.doc)
        v->public.json = &v->json;
    return &v->public;
}

void reply_view_done(struct reply_view *v)
{
    json_free(v->json.doc);
    buf_done(&v->spoiled);
}

const char *service_reply_header(const struct renewd_reply *reply, const char *name)
{
    const struct reply_view *v = (const struct reply_view *)reply;

    if (!reply || !name || !v->reply)
        return NULL;
    return http_reply_header(v->reply, name);
}
