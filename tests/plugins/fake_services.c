/* SPDX-License-Identifier: MIT
 * See fake_services.h. Members that no plugin of ours needs are left out of the table: RENEWD_HAS
 * says so.
 */
#include "tests/plugins/fake_services.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/adapters/json.h"
#include "core/base/alloc.h"

struct renewd_json {
    struct json *doc;
};

struct renewd_request {
    char head[FAKE_TEXT], url[FAKE_TEXT], body[FAKE_TEXT];
    int has_query;
};

struct renewd_call {
    struct fake *fake;
    struct renewd_request *request;
    void *memory[256];
    size_t memory_count;
    struct renewd_json json;
};

static void __attribute__((format(printf, 2, 3))) append(char *to, const char *fmt, ...)
{
    size_t len = strlen(to);
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(to + len, FAKE_TEXT - len, fmt, ap);
    va_end(ap);
}

/* ---- Settings, log, memory --------------------------------------------------------------- */

static const struct fake_setting *find(const struct renewd_host *h, const char *name)
{
    for (size_t i = 0; i < h->setting_count; i++)
        if (!h->settings[i].group && strcmp(h->settings[i].name, name) == 0)
            return &h->settings[i];
    return NULL;
}

static const char *setting_text(struct renewd_host *h, const char *name)
{
    const struct fake_setting *s = find(h, name);
    return s ? s->text : NULL;
}

static int64_t setting_integer(struct renewd_host *h, const char *name)
{
    const struct fake_setting *s = find(h, name);
    return s ? s->number : 0;
}

static int32_t setting_member(struct renewd_host *h, const char *group, size_t index,
                              const char **ret_name, const char **ret_value)
{
    for (size_t i = 0; i < h->setting_count; i++) {
        const struct fake_setting *s = &h->settings[i];
        if (!s->group || strcmp(s->group, group) != 0 || index-- > 0)
            continue;
        *ret_name = s->name;
        *ret_value = s->text;
        return 1;
    }
    return 0;
}

static void log_text(struct renewd_host *h, int32_t level, const char *text)
{
    append(h->logged, "%d %s\n", (int)level, text);
}

static int32_t fail(struct renewd_call *c, int32_t outcome, const char *code, const char *text)
{
    c->fake->outcome = outcome;
    snprintf(c->fake->code, sizeof(c->fake->code), "%s", code ? code : "");
    snprintf(c->fake->text, sizeof(c->fake->text), "%s", text ? text : "");
    return RENEWD_FAILED;
}

static void *memory(struct renewd_call *c, size_t size)
{
    if (c->memory_count >= sizeof(c->memory) / sizeof(c->memory[0]))
        return NULL;
    return c->memory[c->memory_count++] = xcalloc(1, size ? size : 1);
}

static const char *join(struct renewd_call *c, const char *const *parts)
{
    char *text = memory(c, FAKE_TEXT);
    for (; *parts; parts++)
        append(text, "%s", *parts);
    return text;
}

static const struct renewd_value *slot(const struct renewd_record *r, const char *name)
{
    static const struct renewd_value absent = { .size = sizeof(absent), .name = "" };
    for (size_t i = 0; r->values[i]; i++)
        if (strcmp(r->values[i]->name, name) == 0)
            return r->values[i];
    return &absent;
}

/* ---- Requests ---------------------------------------------------------------------------- */

static const char *percent_encode(struct renewd_call *c, const char *text)
{
    char *to = memory(c, FAKE_TEXT);
    for (const char *p = text; *p; p++) {
        if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~", *p))
            append(to, "%c", *p);
        else
            append(to, "%%%02X", (unsigned)(unsigned char)*p);
    }
    return to;
}

static struct renewd_request *request(struct renewd_call *c, const char *method, const char *url)
{
    struct renewd_request *r = memory(c, sizeof(*r));
    c->request = r;
    append(r->url, "%s %s", method, url);
    return r;
}

static void encode_into(char *to, const char *name, const char *value)
{
    struct renewd_call c = { 0 };
    append(to, "%s=", percent_encode(&c, name));
    append(to, "%s", percent_encode(&c, value));
    while (c.memory_count)
        free(c.memory[--c.memory_count]);
}

static void query(struct renewd_request *r, const char *name, const char *value)
{
    append(r->url, "%s", r->has_query ? "&" : "?");
    r->has_query = 1;
    encode_into(r->url, name, value);
}

static void header(struct renewd_request *r, const char *name, const char *value)
{
    append(r->head, "%s: %s\n", name, value);
}

static void form(struct renewd_request *r, const char *name, const char *value)
{
    append(r->body, "%s", r->body[0] ? "&" : "");
    encode_into(r->body, name, value);
}

static void body(struct renewd_request *r, const char *content_type, const void *bytes,
                 size_t length)
{
    header(r, "Content-Type", content_type);
    append(r->body, "%.*s", (int)length, (const char *)bytes);
}

static const char *reply_header(const struct renewd_reply *reply, const char *name)
{
    (void)reply;
    (void)name;
    return NULL;
}

/* ---- JSON -------------------------------------------------------------------------------- */

static int32_t kind(const struct renewd_json *j, const char *path)
{
    return j ? (int32_t)json_kind(j->doc, path) : RENEWD_JSON_ABSENT;
}

static const char *text_at(const struct renewd_json *j, const char *path)
{
    const char *text;
    return j && json_text(j->doc, path, &text, NULL) >= 0 ? text : NULL;
}

static int32_t integer_at(const struct renewd_json *j, const char *path, int64_t *ret)
{
    int r = j ? json_integer(j->doc, path, ret) : -ENOENT;
    if (r >= 0)
        return r;
    return r == -ENOENT    ? RENEWD_ABSENT
           : r == -ENODATA ? RENEWD_NULL
           : r == -ERANGE  ? RENEWD_OUT_OF_RANGE
                           : RENEWD_WRONG_TYPE;
}

static int32_t boolean_at(const struct renewd_json *j, const char *path)
{
    bool value = false;
    return j && json_boolean(j->doc, path, &value) == 0 && value;
}

/* ---- Encoding ---------------------------------------------------------------------------- */

static const char *base64(struct renewd_call *c, const void *data, size_t length)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = data;
    char *to = memory(c, length * 2 + 8), *at = to;

    for (size_t i = 0; i < length; i += 3) {
        unsigned v = (unsigned)p[i] << 16 | (i + 1 < length ? p[i + 1] : 0U) << 8 |
                     (i + 2 < length ? p[i + 2] : 0U);
        *at++ = digits[v >> 18];
        *at++ = digits[v >> 12 & 63];
        *at++ = i + 1 < length ? digits[v >> 6 & 63] : '=';
        *at++ = i + 2 < length ? digits[v & 63] : '=';
    }
    return to;
}

/* ---- Effects ----------------------------------------------------------------------------- */

static void set_text(struct renewd_call *c, const char *name, const char *text)
{
    append(c->fake->effects, "%s=%s\n", name, text);
}

static void set_number(struct renewd_call *c, const char *name, int64_t number)
{
    append(c->fake->effects, "%s=%" PRId64 "\n", name, number);
}

static void set_null(struct renewd_call *c, const char *name)
{
    append(c->fake->effects, "%s=NULL\n", name);
}

static void memo(struct renewd_call *c, const void *bytes, size_t length)
{
    append(c->fake->effects, "memo %.*s\n", (int)length, (const char *)bytes);
}

static void run(struct renewd_call *c, const char *statement,
                const struct renewd_parameter *const *parameters)
{
    append(c->fake->effects, "run %s", statement);
    for (; parameters && *parameters; parameters++) {
        if ((*parameters)->text)
            append(c->fake->effects, " %s", (*parameters)->text);
        else
            append(c->fake->effects, " %" PRId64, (*parameters)->number);
    }
    append(c->fake->effects, "\n");
}

static void once(struct renewd_call *c, const char *key)
{
    append(c->fake->effects, "once %s\n", key);
}

static const struct renewd_services services = {
    .size = sizeof(struct renewd_services),
    .setting_text = setting_text,
    .setting_integer = setting_integer,
    .setting_member = setting_member,
    .log = log_text,
    .fail = fail,
    .memory = memory,
    .join = join,
    .slot = slot,
    .request = request,
    .query = query,
    .header = header,
    .form = form,
    .body = body,
    .reply_header = reply_header,
    .percent_encode = percent_encode,
    .json_kind = kind,
    .json_text = text_at,
    .json_integer = integer_at,
    .json_boolean = boolean_at,
    .base64 = base64,
    .set_text = set_text,
    .set_time = set_number,
    .set_integer = set_number,
    .set_null = set_null,
    .memo = memo,
    .run = run,
    .once = once,
};

/* ---- What tests call --------------------------------------------------------------------- */

void fake_init(struct fake *f)
{
    *f = (struct fake){ .plugin = renewd_plugin_v1() };
    for (size_t i = 0; f->plugin->slots[i]; i++) {
        const struct renewd_slot *s = f->plugin->slots[i];
        f->values[i] = (struct renewd_value){ .size = sizeof(f->values[i]), .name = s->name,
                                              .type = s->type };
        f->value_list[i] = &f->values[i];
    }
    f->record =
        (struct renewd_record){ .size = sizeof(f->record), .key = "1", .values = f->value_list };
    f->records[0] = &f->record;
}

void fake_setting(struct fake *f, const char *name, const char *text, int64_t number)
{
    f->host.settings[f->host.setting_count++] =
        (struct fake_setting){ .name = name, .text = text, .number = number };
}

void fake_member(struct fake *f, const char *group, const char *name, const char *value)
{
    f->host.settings[f->host.setting_count++] =
        (struct fake_setting){ .group = group, .name = name, .text = value };
}

static struct renewd_value *value(struct fake *f, const char *name)
{
    for (size_t i = 0; f->value_list[i]; i++)
        if (strcmp(f->values[i].name, name) == 0)
            return &f->values[i];
    abort(); /* the test names a slot that the plugin does not have */
}

void fake_slot(struct fake *f, const char *name, const char *text)
{
    struct renewd_value *v = value(f, name);
    v->present = text && *text;
    v->text = v->present ? text : NULL;
    v->length = v->present ? strlen(text) : 0;
}

void fake_time(struct fake *f, const char *name, int64_t time)
{
    fake_slot(f, name, time ? "a time" : NULL);
    value(f, name)->number = time;
}

static void end_call(struct renewd_call *c)
{
    struct fake *f = c->fake;

    f->request[0] = '\0';
    if (c->request)
        append(f->request, "%s\n%s\n%s", c->request->url, c->request->head, c->request->body);
    while (c->memory_count)
        free(c->memory[--c->memory_count]);
    json_free(c->json.doc);
}

int32_t fake_open(struct fake *f)
{
    struct renewd_call c = { .fake = f };
    struct renewd_open_in in = { .size = sizeof(in), .host = &f->host, .services = &services,
                                 .call = &c, .job = "test" };
    struct renewd_open_out out = { .size = sizeof(out) };
    int32_t r = f->plugin->open(NULL, &in, &out);

    f->instance = out.instance;
    end_call(&c);
    return r;
}

void fake_close(struct fake *f)
{
    struct renewd_close_in in = { .size = sizeof(in) };
    struct renewd_close_out out = { .size = sizeof(out) };
    f->plugin->close(f->instance, &in, &out);
}

int32_t fake_window(struct fake *f, int64_t now, int64_t refresh_before,
                    struct renewd_needs_refresh_out *ret)
{
    struct renewd_call c = { .fake = f };
    struct renewd_needs_refresh_in in = { .size = sizeof(in), .call = &c, .records = f->records,
                                          .now = now, .refresh_before = refresh_before };
    *ret = (struct renewd_needs_refresh_out){ .size = sizeof(*ret) };
    int32_t r = f->plugin->needs_refresh(f->instance, &in, ret);

    end_call(&c);
    return r;
}

static int32_t step(struct fake *f, const struct renewd_reply *reply, struct renewd_call *c,
                    int64_t now)
{
    struct renewd_refresh_in in = { .size = sizeof(in),
                                    .call = c,
                                    .purpose = RENEWD_PURPOSE_REFRESH,
                                    .step = f->step++,
                                    .records = f->records,
                                    .reply = reply,
                                    .now = now,
                                    .scratch = f->scratch };
    struct renewd_refresh_out out = { .size = sizeof(out) };

    f->effects[0] = f->code[0] = f->text[0] = '\0';
    f->outcome = 0;
    int32_t r = f->plugin->refresh(f->instance, &in, &out);
    end_call(c);
    return r;
}

int32_t fake_ask(struct fake *f, int64_t now)
{
    struct renewd_call c = { .fake = f };

    f->step = 0;
    memset(f->scratch, 0, sizeof(f->scratch));
    return step(f, NULL, &c, now);
}

int32_t fake_answer(struct fake *f, int32_t status, const char *text, int64_t now)
{
    struct renewd_call c = { .fake = f };
    struct renewd_reply reply = { .size = sizeof(reply), .status = status, .body = text,
                                  .length = strlen(text) };

    if (json_parse(text, strlen(text), &c.json.doc, NULL) == 0)
        reply.json = &c.json;
    return step(f, &reply, &c, now);
}

int32_t fake_failed(struct fake *f, int32_t status, const char *code, int64_t now)
{
    struct renewd_call c = { .fake = f };
    struct renewd_on_failure_in in = { .size = sizeof(in),
                                       .call = &c,
                                       .records = f->records,
                                       .outcome = f->decision.outcome,
                                       .status = status,
                                       .code = code,
                                       .now = now,
                                       .scratch = f->scratch };
    int32_t r = f->plugin->on_failure(f->instance, &in, &f->decision);

    end_call(&c);
    return r;
}
