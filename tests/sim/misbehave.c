/* SPDX-License-Identifier: MIT
 * The queue of misbehaviours and what each does to a reply.
 */
#include "tests/sim/misbehave.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "tests/sim/sim.h"
#include "tests/sim/truth.h"

enum { QUEUE_MAX = 1000, SIZE_LIMIT = 1 << 30 };

struct misbehaviour {
    struct misbehaviour *next;
    const struct mode *mode;
    const struct provider *provider; /* NULL: any */
    char *account;                   /* NULL: any */
    char *path;                      /* behind the prefix; NULL: the token endpoint; "*": any */
    int64_t count;                   /* how often still; -1: for ever */
    unsigned users;
    int status;
    int64_t ms, bytes, size;
    int64_t share, seed; /* of a hundred fitting requests; which of them */
    bool after, process, rst, any_bytes;
    char *body, *content_type, *name, *value, *retry_after;
    struct header headers[REPLY_HEADERS];
    size_t header_count;
};

struct mode {
    const char *name;
    bool process; /* unless the request for misbehaviour says otherwise */
    void (*spoil)(const struct misbehaviour *m, const struct request *request, struct reply *reply);
};

static struct misbehaviour *queue;

/* Of one seed the same for an account and how often it came, in whatever order they come. */
static uint64_t chance(const struct misbehaviour *m, const struct account *account)
{
    uint64_t h = 14695981039346656037u ^ (uint64_t)m->seed;

    for (const char *c = account->name; *c; c++)
        h = (h ^ (unsigned char)*c) * 1099511628211u;
    h = (h ^ account->presented) * 1099511628211u;
    return (h ^ h >> 29) * 0xbf58476d1ce4e5b9u >> 17;
}

static void spoil_nothing(const struct misbehaviour *m, const struct request *request, struct reply *reply)
{
    (void)m;
    (void)request;
    (void)reply;
}

static void spoil_status(const struct misbehaviour *m, const struct request *request, struct reply *reply)
{
    (void)request;
    reply_text(reply, m->status ? m->status : 503, m->content_type ? m->content_type : "text/html; charset=utf-8",
               m->body ? m->body : "<html><body>Service Unavailable</body></html>");
    for (size_t i = 0; i < m->header_count; i++)
        reply_header(reply, m->headers[i].name, m->headers[i].value);
}

static void spoil_json(const struct misbehaviour *m, const struct request *request, struct reply *reply)
{
    spoil_status(m, request, reply);
    reply_text(reply, m->status ? m->status : 200, m->content_type ? m->content_type : "application/json",
               m->body ? m->body : "{}");
}

static void spoil_retry_after(const struct misbehaviour *m, const struct request *request, struct reply *reply)
{
    (void)request;
    reply_text(reply, m->status ? m->status : 429, "application/json",
               "{\"error\":\"rate_limited\",\"error_description\":\"Too many requests\"}");
    reply_header(reply, "Retry-After", m->retry_after ? m->retry_after : "30");
}

static void spoil_drop(const struct misbehaviour *m, const struct request *request, struct reply *reply)
{
    (void)request;
    reply->drop = m->rst ? DROP_RST : DROP_FIN;
}

static void spoil_cut(const struct misbehaviour *m, const struct request *request, struct reply *reply)
{
    reply_render(reply);
    size_t at = m->any_bytes && reply->len ? request->luck % reply->len : (size_t)m->bytes;
    reply->cut = true;
    reply->cut_at = at < reply->len ? at : reply->len;
}

/* Valid JSON with a refresh token in it, but far too long. */
static void spoil_huge(const struct misbehaviour *m, const struct request *request, struct reply *reply)
{
    static const char head[] = "{\"access_token\":\"", tail[] = "\",\"expires_in\":3600}";
    size_t size = m->size ? (size_t)m->size : 10 << 20;
    size_t fixed = sizeof(head) - 1 + sizeof(tail) - 1;
    size = size > fixed ? size : fixed;
    char *body = xmalloc(size + 1);

    (void)request;
    reply_text(reply, 200, "application/json", "");
    memcpy(body, head, sizeof(head) - 1);
    memset(body + sizeof(head) - 1, 'a', size - fixed);
    memcpy(body + size - (sizeof(tail) - 1), tail, sizeof(tail));
    reply_body(reply, body, size);
}

static void spoil_bomb(const struct misbehaviour *m, const struct request *request, struct reply *reply)
{
    size_t len;
    char *body = bomb_gzip(m->size ? (size_t)m->size : 100 << 20, &len);

    (void)request;
    reply_text(reply, 200, "application/json", "");
    reply_body(reply, body, len);
    reply_header(reply, "Content-Encoding", "gzip");
}

static void spoil_html(const struct misbehaviour *m, const struct request *request, struct reply *reply)
{
    (void)request;
    reply_text(reply, m->status ? m->status : 200, "text/html; charset=utf-8",
               "<!DOCTYPE html><html><head><title>Sign in</title></head><body></body></html>");
}

static void spoil_empty(const struct misbehaviour *m, const struct request *request, struct reply *reply)
{
    (void)request;
    reply_text(reply, m->status ? m->status : 200, "application/json", "");
}

static void spoil_garbage(const struct misbehaviour *m, const struct request *request, struct reply *reply)
{
    (void)request;
    reply_text(reply, m->status ? m->status : 200, "application/json",
               "{\"access_token\":\"ya29.x\",\"expires_in\":,]}} \x01\x02 not JSON");
}

/* One member replaced by raw JSON text, well-formed or not, or removed. */
static void spoil_member(const struct misbehaviour *m, const struct request *request, struct reply *reply)
{
    (void)request;
    if (!reply->json)
        return;
    json_object_object_del(reply->json, m->name);
    if (m->value) /* a double with a text of its own is written as that text */
        json_object_object_add(reply->json, m->name, json_object_new_double_s(1.0, m->value));
}

static void spoil_bad_utf8(const struct misbehaviour *m, const struct request *request, struct reply *reply)
{
    (void)request;
    if (!reply->json)
        return;
    const char *name = m->name ? m->name : "scope";
    json_object_object_del(reply->json, name);
    json_object_object_add(reply->json, name, json_object_new_double_s(1.0, "\"caf\xe9 \xff\xfe \xc0\xaf end\""));
}

static void spoil_bom(const struct misbehaviour *m, const struct request *request, struct reply *reply)
{
    (void)m;
    (void)request;
    reply_render(reply);
    size_t len = reply->len + 3;
    char *body = xasprintf("\xef\xbb\xbf%s", reply->body ? reply->body : "");
    reply_body(reply, body, len);
}

static void spoil_close_kept(const struct misbehaviour *m, const struct request *request, struct reply *reply)
{
    (void)reply;
    request->peer->drop_next = true;
    request->peer->drop_next_rst = m->rst;
}

static void spoil_close_after(const struct misbehaviour *m, const struct request *request, struct reply *reply)
{
    (void)m;
    (void)reply;
    request->peer->close_after = true;
}

static const struct mode modes[] = {
    {"status", false, spoil_status},
    {"delay", true, spoil_nothing},
    {"drop_before", false, spoil_drop},
    {"drop_after", true, spoil_drop},
    {"cut", true, spoil_cut},
    {"huge", false, spoil_huge},
    {"bomb", false, spoil_bomb},
    {"html", false, spoil_html},
    {"empty", false, spoil_empty},
    {"garbage", false, spoil_garbage},
    {"json", false, spoil_json},
    {"member", true, spoil_member},
    {"bad_utf8", true, spoil_bad_utf8},
    {"bom", true, spoil_bom},
    {"retry_after", false, spoil_retry_after},
    {"close_kept", true, spoil_close_kept},
    {"close_after", true, spoil_close_after},
};

static const struct mode *mode_named(const char *name)
{
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
        if (strcmp(modes[i].name, name) == 0)
            return &modes[i];
    return NULL;
}

static void misbehaviour_free(struct misbehaviour *m)
{
    free(m->account);
    free(m->path);
    free(m->body);
    free(m->content_type);
    free(m->name);
    free(m->value);
    free(m->retry_after);
    for (size_t i = 0; i < m->header_count; i++) {
        free(m->headers[i].name);
        free(m->headers[i].value);
    }
    free(m);
}

/* A string as it is, anything else as its JSON text; NULL for null. */
static char *text_of(struct json_object *value)
{
    if (!value)
        return NULL;
    if (json_object_is_type(value, json_type_string))
        return xstrdup(json_object_get_string(value));
    return xstrdup(json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

static const char *read_headers(struct json_object *value, struct misbehaviour *m)
{
    if (!value)
        return NULL;
    if (!json_object_is_type(value, json_type_object))
        return "headers: an object of strings";
    json_object_object_foreach(value, name, text)
    {
        if (m->header_count == REPLY_HEADERS || !text)
            return "headers: too many, or one is null";
        m->headers[m->header_count].name = xstrdup(name);
        m->headers[m->header_count++].value = text_of(text);
    }
    return NULL;
}

/* A number into *ret_value; one out of its range is *ret_bad. */
static void read_number(struct json_object *value, int64_t low, int64_t high, int64_t *ret_value, bool *ret_bad)
{
    int64_t number = json_object_get_int64(value);

    if (!json_object_is_type(value, json_type_int) || number < low || number > high)
        *ret_bad = true;
    else
        *ret_value = number;
}

static const char *read_texts(const char *name, struct json_object *value, struct misbehaviour *m)
{
    if (strcmp(name, "account") == 0)
        m->account = text_of(value);
    else if (strcmp(name, "path") == 0)
        m->path = text_of(value);
    else if (strcmp(name, "body") == 0)
        m->body = text_of(value);
    else if (strcmp(name, "content_type") == 0)
        m->content_type = text_of(value);
    else if (strcmp(name, "name") == 0)
        m->name = text_of(value);
    else if (strcmp(name, "value") == 0)
        m->value = text_of(value);
    else if (strcmp(name, "retry_after") == 0)
        m->retry_after = text_of(value);
    else if (strcmp(name, "headers") == 0)
        return read_headers(value, m);
    else
        return "no such member in a misbehaviour";
    return NULL;
}

static const char *read_provider(const char *text, struct misbehaviour *m)
{
    if (!text)
        return NULL;
    m->provider = provider_named(text);
    return m->provider ? NULL : "no such provider";
}

static const char *read_how(const char *text, struct misbehaviour *m)
{
    if (!text || (strcmp(text, "fin") != 0 && strcmp(text, "rst") != 0))
        return "how: \"fin\" or \"rst\"";
    m->rst = strcmp(text, "rst") == 0;
    return NULL;
}

static const char *read_when(const char *text, struct misbehaviour *m)
{
    if (!text || (strcmp(text, "before") != 0 && strcmp(text, "after") != 0))
        return "when: \"before\" or \"after\"";
    m->after = strcmp(text, "after") == 0;
    return NULL;
}

static const char *read_member(const char *name, struct json_object *value, struct misbehaviour *m)
{
    const char *text = json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;
    int64_t status = 0;
    bool bad = false;

    if (strcmp(name, "mode") == 0)
        return NULL; /* read already */
    if (strcmp(name, "provider") == 0)
        return read_provider(text, m);
    if (strcmp(name, "how") == 0)
        return read_how(text, m);
    if (strcmp(name, "when") == 0)
        return read_when(text, m);
    if (strcmp(name, "process") == 0)
        m->process = json_object_get_boolean(value);
    else if (strcmp(name, "count") == 0)
        read_number(value, -1, INT32_MAX, &m->count, &bad);
    else if (strcmp(name, "ms") == 0)
        read_number(value, 0, 3600000, &m->ms, &bad);
    else if (strcmp(name, "bytes") == 0 && text && strcmp(text, "any") == 0)
        m->any_bytes = true;
    else if (strcmp(name, "bytes") == 0)
        read_number(value, 0, SIZE_LIMIT, &m->bytes, &bad);
    else if (strcmp(name, "share") == 0)
        read_number(value, 1, 100, &m->share, &bad);
    else if (strcmp(name, "seed") == 0)
        read_number(value, INT64_MIN, INT64_MAX, &m->seed, &bad);
    else if (strcmp(name, "size") == 0)
        read_number(value, 1, SIZE_LIMIT, &m->size, &bad);
    else if (strcmp(name, "status") == 0)
        read_number(value, 200, 599, &status, &bad);
    else
        return read_texts(name, value, m);
    if (status)
        m->status = (int)status;
    return bad ? "count, ms, bytes, size, share, seed or status: not a number, or out of range" : NULL;
}

const char *misbehave_add(struct json_object *json)
{
    struct json_object *name = NULL;
    struct misbehaviour **last = &queue;

    json_object_object_get_ex(json, "mode", &name);
    const struct mode *mode = name ? mode_named(json_object_get_string(name)) : NULL;
    if (!mode)
        return "mode: absent or unknown";
    if (misbehave_queued() >= QUEUE_MAX)
        return "the queue of misbehaviours is full";
    struct misbehaviour *m = xcalloc(1, sizeof(*m));
    m->mode = mode;
    m->process = mode->process;
    m->count = 1;
    m->share = 100;
    m->users = 1;
    const char *wrong = NULL;
    json_object_object_foreach(json, member, value)
    {
        if (!wrong)
            wrong = read_member(member, value, m);
    }
    if (!wrong && mode->spoil == spoil_member && !m->name)
        wrong = "member: name is missing";
    if (wrong || m->count == 0) {
        misbehaviour_free(m);
        return wrong;
    }
    while (*last)
        last = &(*last)->next;
    *last = m;
    return NULL;
}

void misbehave_release(struct misbehaviour *m)
{
    if (m && --m->users == 0)
        misbehaviour_free(m);
}

void misbehave_reset(void)
{
    while (queue) {
        struct misbehaviour *m = queue;
        queue = m->next;
        misbehave_release(m);
    }
}

size_t misbehave_queued(void)
{
    size_t n = 0;
    for (const struct misbehaviour *m = queue; m; m = m->next)
        n++;
    return n;
}

static bool ends_in(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static bool fits(const struct misbehaviour *m, const struct request *request, const struct token *token)
{
    const char *path = m->path ? m->path : request->provider->token_path;

    if (m->provider && m->provider != request->provider)
        return false;
    if (strcmp(path, "*") != 0 && !ends_in(request->rest, path))
        return false;
    if (m->account && (!token || strcmp(m->account, token->account->name) != 0))
        return false;
    return m->share == 100 || (token && chance(m, token->account) % 100 < (uint64_t)m->share);
}

struct misbehaviour *misbehave_take(struct request *request, struct token *token)
{
    struct misbehaviour **at = &queue;

    while (*at && !fits(*at, request, token))
        at = &(*at)->next;
    struct misbehaviour *m = *at;
    if (!m)
        return NULL;
    m->users++;
    if (token) {
        request->luck = chance(m, token->account) / 100;
        token->account->misbehaved += m->mode->spoil != spoil_close_kept;
    }
    if (m->count > 0 && --m->count == 0) {
        *at = m->next;
        m->next = NULL;
        misbehave_release(m);
    }
    return m;
}

const char *misbehave_name(const struct misbehaviour *m)
{
    return m->mode->name;
}

int64_t misbehave_delay(const struct misbehaviour *m, bool after)
{
    return m->after == after ? m->ms : 0;
}

bool misbehave_processes(const struct misbehaviour *m)
{
    return m->process;
}

bool misbehave_spoils(const struct misbehaviour *m)
{
    return m->mode->spoil != spoil_nothing && m->mode->spoil != spoil_close_kept &&
           m->mode->spoil != spoil_close_after;
}

void misbehave_spoil(const struct misbehaviour *m, const struct request *request, struct reply *reply)
{
    m->mode->spoil(m, request, reply);
}
