/* SPDX-License-Identifier: MIT
 * See meta_events.h: an application's event. Checks what Meta requires, hashes personal data, and leaves everything
 * else unchanged. An event without an id gets one that is computed from its content, so that it is recognised when
 * it is sent in again.
 */
#include "meta_events.h"

#include <stdio.h>
#include <string.h>

#include "meta_person.h"

#define LONGEST_EVENT (64 * 1024)
#define LONGEST_TEXT 200 /* bytes of a name or an id */
#define LONGEST_CODE 60  /* of a test_event_code, which becomes a part of the name */
#define LONGEST_NAME 120
#define CLOCKS 600 /* seconds by which another clock may be ahead */
#define PATH 1024
#define DEEPEST 32

/* One event while it is converted. */
struct making {
    const struct meta *meta;
    const struct renewd_services *services;
    struct renewd_call *call;
    const struct renewd_json *json;
    struct renewd_writer *writer;
    char path[PATH]; /* where it is read */
    size_t length;
    const char *wrong; /* what the value at path should be; NULL = no fault */
};

int32_t meta_refuse_event(const struct meta *m, struct renewd_call *call, const char *const *parts)
{
    const struct renewd_services *s = m->graph.services;

    s->fail(call, RENEWD_MISCONFIGURED, NULL, s->join(call, parts));
    return RENEWD_EVENT_REFUSE;
}

/* ---- A walk through what came ------------------------------------------------------------- */

/* Enters a member; leave() returns to its parent. */
static size_t enter(struct making *m, const char *name)
{
    size_t before = m->length, at = before;

    if (at > 0 && at < PATH - 1)
        m->path[at++] = '.';
    for (; *name && at < PATH - 2; name++) {
        if (*name == '.' || *name == '\\')
            m->path[at++] = '\\';
        m->path[at++] = *name;
    }
    if (*name)
        m->wrong = "an object whose members have shorter names";
    else if (at == before)
        m->wrong = "an object without a nameless member"; /* "" is the path of the whole */
    if (m->wrong)
        at = before;
    m->path[at] = '\0';
    m->length = at;
    return before;
}

static void leave(struct making *m, size_t before)
{
    if (m->wrong) /* the path names the fault */
        return;
    m->length = before;
    m->path[before] = '\0';
}

static void copy_value(struct making *m, const char *name, int level);

/* The names of the object at path; NULL when there are too many. */
static const char **names_of(struct making *m, size_t *ret_count)
{
    const struct renewd_services *s = m->services;
    size_t count = s->json_count(m->json, m->path);
    const char **names = s->memory(m->call, (count + 1) * sizeof(*names));

    for (size_t i = 0; names && i < count; i++)
        names[i] = s->json_name(m->json, m->path, i);
    if (!names)
        m->wrong = "an object with fewer members";
    *ret_count = names ? count : 0;
    return names;
}

static void copy_object(struct making *m, int level)
{
    size_t count;
    const char **names = names_of(m, &count);

    for (size_t i = 0; i < count && !m->wrong; i++) {
        size_t before = enter(m, names[i]);
        copy_value(m, names[i], level);
        leave(m, before);
    }
}

static void copy_array(struct making *m, int level)
{
    size_t count = m->services->json_count(m->json, m->path);

    for (size_t i = 0; i < count && !m->wrong; i++) {
        char index[24];
        snprintf(index, sizeof(index), "%lu", (unsigned long)i);
        size_t before = enter(m, index);
        copy_value(m, NULL, level);
        leave(m, before);
    }
}

static void copy_plain(struct making *m, const char *name, int32_t kind)
{
    const struct renewd_services *s = m->services;
    const char *text = NULL;
    int64_t number;

    if (kind == RENEWD_JSON_INTEGER && s->json_integer(m->json, m->path, &number) >= 0) {
        s->write_integer(m->writer, name, number);
        return;
    }
    if (kind == RENEWD_JSON_STRING) {
        text = s->json_text(m->json, m->path);
        if (text)
            s->write_text(m->writer, name, text);
        else
            m->wrong = "a text without NUL";
        return;
    }
    if (kind == RENEWD_JSON_BOOLEAN)
        text = s->json_boolean(m->json, m->path) ? "true" : "false";
    else if (kind == RENEWD_JSON_NULL)
        text = "null";
    else
        text = s->json_digits(m->call, m->json, m->path);
    if (text)
        s->write_raw(m->writer, name, text);
    else
        m->wrong = "a smaller number, or a text";
}

/* The value at path, as it came. */
static void copy_value(struct making *m, const char *name, int level)
{
    int32_t kind = m->services->json_kind(m->json, m->path);

    if (m->wrong)
        return;
    if (kind != RENEWD_JSON_OBJECT && kind != RENEWD_JSON_ARRAY) {
        copy_plain(m, name, kind);
    } else if (level >= DEEPEST) {
        m->wrong = "nested less deeply";
    } else {
        m->services->write_open(m->writer, name, kind);
        if (kind == RENEWD_JSON_OBJECT)
            copy_object(m, level + 1);
        else
            copy_array(m, level + 1);
        m->services->write_close(m->writer);
    }
}

/* ---- user_data ---------------------------------------------------------------------------- */

/* One value of a person, hashed; the list is opened with the first one. */
static void hash_value(struct making *m, const char *key, int *opened)
{
    const struct renewd_services *s = m->services;
    int32_t kind = s->json_kind(m->json, m->path);
    const char *text = kind == RENEWD_JSON_STRING    ? s->json_text(m->json, m->path)
                       : kind == RENEWD_JSON_INTEGER ? s->json_digits(m->call, m->json, m->path)
                                                     : NULL;
    const char *wrong = "";

    if (kind == RENEWD_JSON_NULL)
        return;
    if (!text) {
        m->wrong = "a text, or a list of texts";
        return;
    }
    const char *hash = person_hash(s, m->call, key, text, s->json_text(m->json, "user_data.country"), &wrong);
    if (*wrong)
        m->wrong = wrong;
    if (!hash)
        return;
    if (!*opened)
        s->write_open(m->writer, key, RENEWD_JSON_ARRAY);
    *opened = 1;
    s->write_text(m->writer, NULL, hash);
}

/* Whether anything was written. */
static int hash_member(struct making *m, const char *key)
{
    const struct renewd_services *s = m->services;
    int opened = 0;

    if (s->json_kind(m->json, m->path) != RENEWD_JSON_ARRAY) {
        hash_value(m, key, &opened);
    } else {
        size_t count = s->json_count(m->json, m->path);
        for (size_t i = 0; i < count && !m->wrong; i++) {
            char index[24];
            snprintf(index, sizeof(index), "%lu", (unsigned long)i);
            size_t before = enter(m, index);
            hash_value(m, key, &opened);
            leave(m, before);
        }
    }
    if (opened)
        s->write_close(m->writer);
    return opened;
}

static int copy_member(struct making *m, const char *key)
{
    const struct renewd_services *s = m->services;
    int32_t kind = s->json_kind(m->json, m->path);
    const char *text = s->json_text(m->json, m->path);

    if (kind == RENEWD_JSON_NULL || (text && !*text))
        return 0;
    copy_value(m, key, 2);
    return 1;
}

static void write_user_data(struct making *m)
{
    int written = 0;
    size_t count;

    if (m->services->json_kind(m->json, m->path) != RENEWD_JSON_OBJECT) {
        m->wrong = "an object that says whose event it is";
        return;
    }
    const char **names = names_of(m, &count);
    m->services->write_open(m->writer, "user_data", RENEWD_JSON_OBJECT);
    for (size_t i = 0; i < count && !m->wrong; i++) {
        size_t before = enter(m, names[i]);
        if (!m->wrong)
            written += person_is_hashed(names[i]) ? hash_member(m, names[i]) : copy_member(m, names[i]);
        leave(m, before);
    }
    m->services->write_close(m->writer);
    if (!written && !m->wrong)
        m->wrong =
            "an object with at least one member that is not empty (a phone number needs its country: +33612345678)";
}

/* ---- What is required --------------------------------------------------------------------- */

static int32_t refuse_member(struct making *m, const char *member, const char *should)
{
    const char *const parts[] = {"the event cannot be sent to Meta: ", *member ? member : "it", " must be ", should,
                                 NULL};
    return meta_refuse_event(m->meta, m->call, parts);
}

/* A text of this member, or NULL. */
static const char *short_text(struct making *m, const char *member)
{
    const char *text = m->services->json_text(m->json, member);

    if (!text || !*text || strlen(text) > LONGEST_TEXT)
        return NULL;
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        if (*p < ' ' || *p == 0x7f)
            return NULL;
    return text;
}

static int is_source(const char *text)
{
    static const char *const sources[] = {
        "email", "website", "app", "phone_call", "chat", "physical_store", "system_generated", "business_messaging",
        "other", NULL};
    size_t i = 0;

    while (text && sources[i] && strcmp(sources[i], text) != 0)
        i++;
    return text && sources[i];
}

/* NULL = good; then *io_time is not in the future. */
static const char *check_time(struct making *m, int64_t now, int64_t life, int64_t *ret_time)
{
    int32_t found = m->services->json_integer(m->json, "event_time", ret_time);

    if (found != RENEWD_FOUND && found != RENEWD_FOUND_IN_STRING)
        return "a whole number: Unix time in seconds";
    if (*ret_time > now * 100)
        return "in seconds; this looks like milliseconds";
    if (*ret_time > now + CLOCKS)
        return "in the past; this is in the future";
    if (*ret_time <= now - life)
        return life == META_LIFE ? "within the last 7 days; Meta accepts no older event"
                                 : "within the last 62 days; Meta accepts no older event";
    if (*ret_time > now)
        *ret_time = now; /* the sender's clock is a little ahead; Meta would refuse the whole batch */
    return NULL;
}

/* The event's own id, or one that is the same for each copy: a hash over all that is sent except a corrected
 * time. */
static const char *event_id(struct making *m, const char *text, size_t length)
{
    const struct renewd_services *s = m->services;
    char *all = s->memory(m->call, length + 32);
    int64_t time = 0;
    uint8_t hash[32];

    if (s->json_kind(m->json, "event_id") == RENEWD_JSON_INTEGER)
        return s->json_digits(m->call, m->json, "event_id");
    if (s->json_kind(m->json, "event_id") > RENEWD_JSON_NULL)
        return short_text(m, "event_id");
    if (!all)
        return NULL;
    s->json_integer(m->json, "event_time", &time);
    int head = snprintf(all, 32, "%lld ", (long long)time);
    memcpy(all + head, text, length);
    s->sha256(all, (size_t)head + length, hash);
    const char *const parts[] = {"renewd-", s->hex(m->call, hash, 16), NULL};
    return s->join(m->call, parts);
}

/* ---- The event ---------------------------------------------------------------------------- */

/* Members of Meta's request, which some applications put into the event. */
static int is_of_request(const char *name)
{
    return strcmp(name, "test_event_code") == 0 || strcmp(name, "partner_agent") == 0;
}

/* All members but those that meta_give_event writes. */
static void write_members(struct making *m)
{
    size_t count;
    const char **names = names_of(m, &count);

    for (size_t i = 0; i < count && !m->wrong; i++) {
        if (is_of_request(names[i]) || strcmp(names[i], "event_time") == 0 || strcmp(names[i], "event_id") == 0)
            continue;
        size_t before = enter(m, names[i]);
        if (strcmp(names[i], "user_data") == 0)
            write_user_data(m);
        else
            copy_value(m, names[i], 1);
        leave(m, before);
    }
}

/* {"test_event_code":"...","event": or nothing. */
static const char *envelope(const struct renewd_services *s, struct renewd_call *call,
                            const struct meta_beside *beside)
{
    struct renewd_writer *w = s->json_write(call);
    size_t length;

    if (!beside->test_code && !beside->partner)
        return "";
    if (beside->test_code)
        s->write_text(w, "test_event_code", beside->test_code);
    if (beside->partner)
        s->write_text(w, "partner_agent", beside->partner);
    const char *written = s->written(w, &length);
    char *text = s->memory(call, length + sizeof(",\"event\":"));
    if (!text)
        return "";
    memcpy(text, written, length - 1);
    memcpy(text + length - 1, ",\"event\":", sizeof(",\"event\":"));
    return text;
}

static void name_test(const struct renewd_services *s, struct renewd_call *call, const char *code,
                      struct renewd_take_event_out *out)
{
    const char *const parts[] = {out->name, " (test ", code, ")", NULL};
    out->name = s->join(call, parts);
}

int32_t meta_give_event(const struct meta *m, struct renewd_call *call, const struct meta_beside *beside,
                        const char *text, size_t length, struct renewd_take_event_out *out)
{
    const struct renewd_services *s = m->graph.services;
    const char *around = envelope(s, call, beside);
    struct renewd_writer *head = s->json_write(call);
    size_t head_length, before = strlen(around);

    s->write_integer(head, "event_time", out->event_time);
    s->write_text(head, "event_id", out->event_id);
    const char *first = s->written(head, &head_length);
    char *all = s->memory(call, before + head_length + length + 1);
    if (!all) {
        static const char *const parts[] = {"the event cannot be sent to Meta: it is too large", NULL};
        return meta_refuse_event(m, call, parts);
    }
    memcpy(all, around, before);
    memcpy(all + before, first, head_length - 1);
    all[before + head_length - 1] = ',';
    memcpy(all + before + head_length, text + 1, length - 1);
    out->event = all;
    out->event_length = before + head_length + length - 1;
    if (before)
        all[out->event_length++] = '}';
    if (beside->test_code && out->name)
        name_test(s, call, beside->test_code, out);
    return RENEWD_EVENT_TAKE;
}

/* A member of the request, beside the events or in this one; *ret NULL = absent. 0 = it is no text that could be sent. */
static int of_request(struct making *m, const struct renewd_json *beside, const char *name, size_t longest,
                      const char **ret)
{
    const struct renewd_json *where = m->services->json_kind(beside, name) > RENEWD_JSON_NULL ? beside : m->json;
    const char *text = m->services->json_text(where, name);

    *ret = NULL;
    if (m->services->json_kind(where, name) <= RENEWD_JSON_NULL || (text && !*text))
        return 1;
    if (!text || strlen(text) > longest)
        return 0;
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        if (*p < ' ' || *p == 0x7f)
            return 0;
    *ret = text;
    return 1;
}

static int32_t take(struct making *m, const struct renewd_json *beside, int64_t now,
                    struct renewd_take_event_out *out)
{
    const struct renewd_services *s = m->services;
    const char *source = short_text(m, "action_source");
    int64_t life = source && strcmp(source, "physical_store") == 0 ? META_STORE_LIFE : META_LIFE;
    struct meta_beside with;
    size_t length;

    if (!of_request(m, beside, "test_event_code", LONGEST_CODE, &with.test_code))
        return refuse_member(m, "test_event_code", "a text of at most 60 bytes");
    if (!of_request(m, beside, "partner_agent", LONGEST_TEXT, &with.partner))
        return refuse_member(m, "partner_agent", "a text of at most 200 bytes");
    with.test_code = with.test_code ? with.test_code : m->meta->test_code;
    out->name = short_text(m, "event_name");
    if (!out->name || strlen(out->name) > LONGEST_NAME)
        return refuse_member(m, "event_name", "a text of 1 to 120 bytes that says what happened (\"Purchase\")");
    if (!is_source(source))
        return refuse_member(m, "action_source",
                             "one of email, website, app, phone_call, chat, physical_store, "
                             "system_generated, business_messaging, other");
    const char *should = check_time(m, now, life, &out->event_time);
    if (should)
        return refuse_member(m, "event_time", should);
    if (s->json_kind(m->json, "user_data") == RENEWD_JSON_ABSENT)
        return refuse_member(m, "user_data", "present: an object that says whose event it is");
    m->writer = s->json_write(m->call);
    write_members(m);
    if (m->wrong)
        return refuse_member(m, m->path, m->wrong);
    const char *text = s->written(m->writer, &length);
    out->event_id = event_id(m, text, length);
    if (!out->event_id)
        return refuse_member(m, "event_id", "a text of 1 to 200 bytes");
    out->last_at = out->event_time + life;
    return meta_give_event(m->meta, m->call, &with, text, length, out);
}

int32_t meta_take_event(void *instance, const struct renewd_take_event_in *in, struct renewd_take_event_out *out)
{
    const struct meta *meta = instance;
    struct making m = {.meta = meta, .services = meta->graph.services, .call = in->call, .json = in->message->json};

    if (strcmp(in->source, "shopify") == 0)
        return shopify_take(meta, in, out);
    if (*in->source)
        return RENEWD_EVENT_UNKNOWN;
    if (in->message->length > LONGEST_EVENT) {
        static const char *const parts[] = {"the event is over 64 KiB", NULL};
        return meta_refuse_event(meta, in->call, parts);
    }
    if (m.services->json_kind(m.json, "") != RENEWD_JSON_OBJECT) {
        static const char *const parts[] = {"the event is no JSON object", NULL};
        return meta_refuse_event(meta, in->call, parts);
    }
    return take(&m, META_GIVEN(in, renewd_take_event_in, beside) ? in->beside : NULL, in->now, out);
}
