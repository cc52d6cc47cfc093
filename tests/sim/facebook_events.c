/* SPDX-License-Identifier: MIT
 * See facebook_events.h. POST /facebook/VERSION/PIXEL/events takes up to a thousand events, all or none, as
 * JSON or a form. Each one that was taken is remembered with how often it came and how often the
 * answer to that did not arrive.
 */
#include "tests/sim/facebook_events.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/base/map.h"
#include "tests/sim/graph.h"

enum { BATCH_MAX = 1000, DAY = 86400, EARLY_MAX = 60 };
enum {
    TOO_MANY = 2804002,
    TOO_OLD = 2804003,
    TOO_EARLY = 2804004,
    BAD_MEMBER = 2804010,
    BAD_USER_DATA = 2804050,
    BAD_ON_PURPOSE = 2804099
};

/* One event of a pixel, by its name and id. */
struct seen {
    char *pixel, *name, *id, *account, *text; /* of the last that came */
    int64_t event_time;
    uint64_t received, lost;
};

struct batch {
    uint64_t request;
    struct seen **events;
    size_t count;
    bool lost;
};

static struct {
    struct map *pixels; /* "PIXEL ACCOUNT", "PIXEL *" -> int: the refusal */
    struct map *seen;   /* "PIXEL NAME ID" -> struct seen */
    struct batch *batches;
    size_t batch_count, batch_cap, largest;
} events;

static void seen_free(void *p)
{
    struct seen *seen = p;
    free(seen->pixel);
    free(seen->name);
    free(seen->id);
    free(seen->account);
    free(seen->text);
    free(seen);
}

void events_init(void)
{
    events.pixels = map_new();
    events.seen = map_new();
}

void events_done(void)
{
    map_free(events.pixels, free);
    map_free(events.seen, seen_free);
    for (size_t i = 0; i < events.batch_count; i++)
        free(events.batches[i].events);
    free(events.batches);
    memset(&events, 0, sizeof(events));
}

/* ---- Pixels ------------------------------------------------------------------------------ */

void pixel_add(const char *pixel, const char *account, int refusal)
{
    cleanup(free_p) char *key = xasprintf("%s %s", pixel, account ? account : "*");
    int *held = xmalloc(sizeof(*held));

    *held = refusal;
    free(map_put(events.pixels, key, held));
}

/* While none is registered every pixel is everybody's. */
static int pixel_refusal(const char *pixel, const char *account)
{
    cleanup(free_p) char *own = xasprintf("%s %s", pixel, account);
    cleanup(free_p) char *any = xasprintf("%s *", pixel);
    const int *held = map_get(events.pixels, own);

    if (!held)
        held = map_get(events.pixels, any);
    if (held)
        return *held;
    return map_count(events.pixels) > 0 ? 33 : 0;
}

static bool pixel_ok(const char *pixel, const char *account, struct reply *reply)
{
    int refusal = pixel_refusal(pixel, account);

    if (refusal == 33)
        graph_refuse(reply, 400, 100, 33, "GraphMethodException",
                     "Unsupported post request. Object does not exist, cannot be loaded due to missing "
                     "permissions, or does not support this operation.");
    else if (refusal)
        graph_refuse(reply, 403, refusal, 0, "OAuthException", "(#10) Permission denied");
    return refusal == 0;
}

/* ---- What an event must be --------------------------------------------------------------- */

static struct json_object *member(struct json_object *json, const char *name, enum json_type type)
{
    struct json_object *value = NULL;

    json_object_object_get_ex(json, name, &value);
    return value && json_object_is_type(value, type) ? value : NULL;
}

static const char *text_of(struct json_object *json, const char *name)
{
    struct json_object *value = member(json, name, json_type_string);
    const char *text = value ? json_object_get_string(value) : NULL;
    return text && *text ? text : NULL;
}

static bool in_list(const char *text, const char *const *list)
{
    while (*list && strcmp(*list, text) != 0)
        list++;
    return *list != NULL;
}

static bool is_hash(struct json_object *value)
{
    const char *text = json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
    return strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
}

/* Whoever sends what belongs to a person sends hashes of it. */
static bool user_data_ok(struct json_object *data)
{
    static const char *const hashed[] = {"em", "ph", "fn", "ln", "db", "ge", "ct", "st", "zp", "country", NULL};
    if (!data || json_object_object_length(data) == 0)
        return false;
    json_object_object_foreach(data, name, value)
    {
        if (!in_list(name, hashed))
            continue;
        if (!json_object_is_type(value, json_type_array)) {
            if (!is_hash(value))
                return false;
            continue;
        }
        for (size_t i = 0; i < json_object_array_length(value); i++)
            if (!is_hash(json_object_array_get_idx(value, i)))
                return false;
    }
    return true;
}

/* The subcode of the refusal; 0 = it is good. */
static int event_fault(struct json_object *event)
{
    static const char *const sources[] = {
        "email", "website", "app", "phone_call", "chat", "physical_store", "system_generated", "business_messaging",
        "other", NULL};
    if (!json_object_is_type(event, json_type_object))
        return BAD_MEMBER;
    struct json_object *when = member(event, "event_time", json_type_int);
    const char *name = text_of(event, "event_name"), *source = text_of(event, "action_source");
    if (!when || !name || !source || !in_list(source, sources))
        return BAD_MEMBER;
    if (!user_data_ok(member(event, "user_data", json_type_object)))
        return BAD_USER_DATA;
    int64_t age = sim_now() - json_object_get_int64(when);
    if (age > (strcmp(source, "physical_store") == 0 ? 62 : 7) * (int64_t)DAY)
        return TOO_OLD;
    if (age < -EARLY_MAX)
        return TOO_EARLY;
    return strcmp(name, "BAD") == 0 ? BAD_ON_PURPOSE : 0;
}

/* One of them spoils all. */
static bool events_ok(struct json_object *list, struct reply *reply)
{
    size_t count = list ? json_object_array_length(list) : 0;

    if (count == 0) {
        graph_refuse(reply, 400, 100, 0, "OAuthException", "(#100) param data must be an array");
        return false;
    }
    int fault = count > BATCH_MAX ? TOO_MANY : 0;
    for (size_t i = 0; i < count && !fault; i++)
        fault = event_fault(json_object_array_get_idx(list, i));
    if (fault)
        graph_refuse(reply, 400, 100, fault, "OAuthException",
                     fault == TOO_OLD ? "Event Timestamp Too Old" : "Invalid parameter");
    return !fault;
}

/* ---- What came --------------------------------------------------------------------------- */

static struct seen *seen_find(const char *pixel, const char *name, const char *id)
{
    cleanup(free_p) char *key = xasprintf("%s %s %s", pixel, name, id);
    struct seen *seen = map_get(events.seen, key);

    if (seen)
        return seen;
    seen = xcalloc(1, sizeof(*seen));
    seen->pixel = xstrdup(pixel);
    seen->name = xstrdup(name);
    seen->id = xstrdup(id);
    map_put(events.seen, key, seen);
    return seen;
}

static void replace(char **text, const char *with)
{
    free(*text);
    *text = xstrdup(with);
}

static struct batch *batch_new(uint64_t request, size_t count)
{
    if (events.batch_count == events.batch_cap) {
        events.batch_cap = events.batch_cap ? events.batch_cap * 2 : 64;
        events.batches = xrealloc(events.batches, events.batch_cap * sizeof(*events.batches));
    }
    struct batch *batch = &events.batches[events.batch_count++];
    *batch = (struct batch){.request = request, .events = xcalloc(count, sizeof(struct seen *))};
    if (count > events.largest)
        events.largest = count;
    return batch;
}

/* Tests are shown beside the others, and are none of them. */
static struct seen *seen_of(const char *pixel, struct json_object *event, const char *test_code)
{
    const char *id = text_of(event, "event_id"), *name = text_of(event, "event_name");
    cleanup(free_p) char *marked = test_code ? xasprintf("%s@%s", name, test_code) : NULL;
    return seen_find(pixel, marked ? marked : name, id ? id : "");
}

static void remember(const struct request *request, const char *pixel, struct json_object *list,
                     const char *test_code, const char *account)
{
    size_t count = json_object_array_length(list);
    struct batch *batch = batch_new(request->number, count);

    for (size_t i = 0; i < count; i++) {
        struct json_object *event = json_object_array_get_idx(list, i);
        struct seen *seen = seen_of(pixel, event, test_code);
        seen->received++;
        seen->event_time = json_object_get_int64(member(event, "event_time", json_type_int));
        replace(&seen->account, account);
        replace(&seen->text,
                json_object_to_json_string_ext(event, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
        batch->events[batch->count++] = seen;
    }
}

void events_lost(uint64_t number)
{
    for (size_t i = events.batch_count; i-- > 0;) {
        struct batch *batch = &events.batches[i];
        if (batch->request != number)
            continue;
        for (size_t k = 0; k < batch->count && !batch->lost; k++)
            batch->events[k]->lost++;
        batch->lost = true;
        return;
    }
}

/* ---- The request ------------------------------------------------------------------------- */

bool events_path(const char *path)
{
    const char *end = path && *path == '/' ? strchr(path + 1, '/') : NULL;
    return end && end > path + 1 && strcmp(end, "/events") == 0;
}

static struct json_object *parsed(const char *text)
{
    struct json_tokener *tokener = json_tokener_new();

    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
    struct json_object *json = json_tokener_parse_ex(tokener, text, (int)strlen(text) + 1);
    bool good = json_tokener_get_error(tokener) == json_tokener_success;
    json_tokener_free(tokener);
    if (good)
        return json;
    json_object_put(json);
    return NULL;
}

void events_form(const struct request *request, struct form *ret_form)
{
    if (content_is_form(request)) {
        form_parse(request->body, ret_form);
        return;
    }
    memset(ret_form, 0, sizeof(*ret_form));
    struct json_object *json = parsed(request->body);
    if (json_object_is_type(json, json_type_object)) {
        json_object_object_foreach(json, name, value)
        {
            if (!value || ret_form->count == FORM_MAX)
                continue;
            ret_form->names[ret_form->count] = xstrdup(name);
            ret_form->values[ret_form->count++] =
                xstrdup(json_object_is_type(value, json_type_string)
                            ? json_object_get_string(value)
                            : json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN |
                                                                        JSON_C_TO_STRING_NOSLASHESCAPE));
        }
    }
    json_object_put(json);
}

void events_take(const struct request *request, const struct form *form, const struct token *token,
                 struct reply *reply)
{
    const char *rest = request->rest + strlen("/v");
    const char *at = strchr(rest, '/') + 1;
    cleanup(free_p) char *pixel = xstrndup(at, strcspn(at, "/"));
    const char *text = form_get(form, "data"), *account = token->account->name;

    if (!pixel_ok(pixel, account, reply))
        return;
    struct json_object *list = text ? parsed(text) : NULL;
    bool is_list = json_object_is_type(list, json_type_array);
    if (events_ok(is_list ? list : NULL, reply)) {
        struct json_object *json = json_object_new_object();
        remember(request, pixel, list, form_get(form, "test_event_code"), account);
        json_object_object_add(json, "events_received",
                               json_object_new_int64((int64_t)json_object_array_length(list)));
        json_object_object_add(json, "messages", json_object_new_array());
        json_object_object_add(json, "fbtrace_id", json_object_new_string("AbcExample"));
        reply_json(reply, 200, json);
    }
    json_object_put(list);
}

/* ---- What tests ask ---------------------------------------------------------------------- */

static struct seen *next_seen(size_t *cursor, const char *pixel)
{
    const char *key;
    void *value;

    while (map_next(events.seen, cursor, &key, &value)) {
        struct seen *seen = value;
        if (!pixel || strcmp(seen->pixel, pixel) == 0)
            return seen;
    }
    return NULL;
}

void events_lines(const char *pixel, struct buf *out)
{
    const struct seen *seen;
    size_t cursor = 0;

    while ((seen = next_seen(&cursor, pixel)))
        buf_printf(out, "%s\t%s\t%s\t%llu\t%llu\t%s\n", seen->pixel, seen->name, seen->id,
                   (unsigned long long)seen->received, (unsigned long long)seen->lost, seen->account);
}

static struct json_object *seen_json(const struct seen *seen)
{
    struct json_object *json = json_object_new_object();

    json_object_object_add(json, "pixel", json_object_new_string(seen->pixel));
    json_object_object_add(json, "event_name", json_object_new_string(seen->name));
    json_object_object_add(json, "event_id", json_object_new_string(seen->id));
    json_object_object_add(json, "received", json_object_new_int64((int64_t)seen->received));
    json_object_object_add(json, "lost", json_object_new_int64((int64_t)seen->lost));
    json_object_object_add(json, "account", json_object_new_string(seen->account));
    json_object_object_add(json, "event", json_object_new_double_s(1.0, seen->text));
    return json;
}

struct json_object *events_json(const char *pixel, const char *event_id)
{
    struct json_object *json = json_object_new_object(), *list = json_object_new_array();
    uint64_t received = 0, distinct = 0;
    const struct seen *seen;
    size_t cursor = 0;

    while ((seen = next_seen(&cursor, pixel))) {
        received += seen->received;
        distinct++;
        if (event_id && strcmp(event_id, seen->id) == 0)
            json_object_array_add(list, seen_json(seen));
    }
    json_object_object_add(json, "batches", json_object_new_int64((int64_t)events.batch_count));
    json_object_object_add(json, "largest", json_object_new_int64((int64_t)events.largest));
    json_object_object_add(json, "received", json_object_new_int64((int64_t)received));
    json_object_object_add(json, "distinct", json_object_new_int64((int64_t)distinct));
    json_object_object_add(json, "events", list);
    return json;
}
