/* SPDX-License-Identifier: MIT
 * See fake_services.h. Members that no plugin of ours needs are left out of the table: RENEWD_HAS
 * says so. JSON, crypto and times are in fake_tools.c.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/alloc.h"
#include "core/rules/backoff.h"
#include "core/time/timestamp.h"
#include "tests/plugins/fake_internal.h"

struct renewd_request {
    char head[FAKE_TEXT], url[FAKE_TEXT], body[FAKE_TEXT];
    int has_query;
};

/* What a plugin sees of a reply, and behind it what only the services see. */
struct answered {
    struct renewd_reply reply;
    struct fake *fake;
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

static int32_t setting_member(struct renewd_host *h, const char *group, size_t index, const char **ret_name,
                              const char **ret_value)
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

static const char *join(struct renewd_call *c, const char *const *parts)
{
    char *text = fake_memory(c, FAKE_TEXT);
    for (; *parts; parts++)
        append(text, "%s", *parts);
    return text;
}

static const struct renewd_value *slot(const struct renewd_record *r, const char *name)
{
    static const struct renewd_value absent = {.size = sizeof(absent), .name = ""};
    for (size_t i = 0; r->values[i]; i++)
        if (strcmp(r->values[i]->name, name) == 0)
            return r->values[i];
    return &absent;
}

/* ---- Requests ---------------------------------------------------------------------------- */

static const char *percent_encode(struct renewd_call *c, const char *text)
{
    char *to = fake_memory(c, FAKE_TEXT);
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
    struct renewd_request *r = fake_memory(c, sizeof(*r));
    c->request = r;
    append(r->url, "%s %s", method, url);
    return r;
}

static void encode_into(char *to, const char *name, const char *value)
{
    struct renewd_call c = {0};
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

static void body(struct renewd_request *r, const char *content_type, const void *bytes, size_t length)
{
    header(r, "Content-Type", content_type);
    append(r->body, "%.*s", (int)length, (const char *)bytes);
}

static const void *request_bytes(struct renewd_request *r, size_t *ret_length)
{
    *ret_length = strlen(r->body);
    return r->body;
}

static const char *reply_header(const struct renewd_reply *reply, const char *name)
{
    const struct fake *f = ((const struct answered *)(const void *)reply)->fake;

    for (size_t i = 0; i < f->header_count; i++)
        if (strcasecmp(f->headers[i].name, name) == 0)
            return f->headers[i].value;
    return NULL;
}

static int64_t now(struct renewd_host *h)
{
    return h->now;
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
    append(c->fake->effects, "memo=%.*s\n", (int)length, (const char *)bytes);
}

static void run(struct renewd_call *c, const char *statement, const struct renewd_parameter *const *parameters)
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
    .now = now,
    .request_bytes = request_bytes,
    .setting_text = setting_text,
    .setting_integer = setting_integer,
    .setting_member = setting_member,
    .log = log_text,
    .fail = fail,
    .memory = fake_memory,
    .join = join,
    .slot = slot,
    .request = request,
    .query = query,
    .header = header,
    .form = form,
    .body = body,
    .reply_header = reply_header,
    .percent_encode = percent_encode,
    .json_parse = fake_json_parse,
    .json_kind = fake_json_kind,
    .json_text = fake_json_text,
    .json_integer = fake_json_integer,
    .json_boolean = fake_json_boolean,
    .json_digits = fake_json_digits,
    .json_count = fake_json_count,
    .json_name = fake_json_name,
    .json_write = fake_json_write,
    .write_text = fake_write_text,
    .write_integer = fake_write_integer,
    .write_raw = fake_write_raw,
    .write_open = fake_write_open,
    .write_close = fake_write_close,
    .written = fake_written,
    .sha256 = fake_sha256,
    .hmac_sha256 = fake_hmac_sha256,
    .equal = fake_equal,
    .hex = fake_hex,
    .base64 = fake_base64,
    .base64url = fake_base64url,
    .parse_time = fake_parse_time,
    .format_time = fake_format_time,
    .parse_http_date = fake_parse_http_date,
    .add_months = fake_add_months,
    .set_text = set_text,
    .set_time = set_number,
    .set_integer = set_number,
    .set_null = set_null,
    .memo = memo,
    .run = run,
    .once = once,
    .add_months_in = fake_add_months_in,
    .day_in = fake_day_in,
};

/* ---- What tests call --------------------------------------------------------------------- */

void fake_init_with(struct fake *f, const struct renewd_plugin *plugin)
{
    *f = (struct fake){.plugin = plugin};
    for (size_t i = 0; plugin->slots && plugin->slots[i]; i++) {
        const struct renewd_slot *s = f->plugin->slots[i];
        f->values[i] = (struct renewd_value){.size = sizeof(f->values[i]), .name = s->name, .type = s->type};
        f->value_list[i] = &f->values[i];
    }
    f->record = (struct renewd_record){.size = sizeof(f->record), .key = "1", .values = f->value_list};
    f->records[0] = &f->record;
}

void fake_setting(struct fake *f, const char *name, const char *text, int64_t number)
{
    f->host.settings[f->host.setting_count++] = (struct fake_setting){.name = name, .text = text, .number = number};
}

void fake_member(struct fake *f, const char *group, const char *name, const char *value)
{
    f->host.settings[f->host.setting_count++] = (struct fake_setting){.group = group, .name = name, .text = value};
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
    fake_call_done(c);
}

int32_t fake_open(struct fake *f)
{
    struct renewd_call c = {.fake = f};
    struct renewd_open_in in = {.size = sizeof(in),
                                .host = &f->host,
                                .services = &services,
                                .call = &c,
                                .job = "test"};
    struct renewd_open_out out = {.size = sizeof(out)};
    int32_t r = f->plugin->open(NULL, &in, &out);

    f->instance = out.instance;
    f->replay = out.replay ? out.replay : f->plugin->replay;
    f->replay_grace = out.replay ? out.replay_grace : f->plugin->replay_grace;
    end_call(&c);
    return r;
}

void fake_close(struct fake *f)
{
    struct renewd_close_in in = {.size = sizeof(in)};
    struct renewd_close_out out = {.size = sizeof(out)};
    if (f->plugin->close)
        f->plugin->close(f->instance, &in, &out);
}

int32_t fake_window(struct fake *f, int64_t at, int64_t refresh_before, struct renewd_needs_refresh_out *ret)
{
    struct renewd_call c = {.fake = f};
    struct renewd_needs_refresh_in in = {.size = sizeof(in),
                                         .call = &c,
                                         .records = f->records,
                                         .now = at,
                                         .refresh_before = refresh_before};
    *ret = (struct renewd_needs_refresh_out){.size = sizeof(*ret)};
    int32_t r = f->plugin->needs_refresh(f->instance, &in, ret);

    end_call(&c);
    return r;
}

/* Whether an earlier step has set a token. */
static int token_set(const struct fake *f)
{
    for (size_t i = 0; f->value_list[i]; i++) {
        size_t len = strlen(f->values[i].name);
        for (const char *line = f->effects; f->values[i].type == RENEWD_SECRET && line && *line;) {
            if (strncmp(line, f->values[i].name, len) == 0 && line[len] == '=')
                return 1;
            line = strchr(line, '\n');
            line = line ? line + 1 : NULL;
        }
    }
    return 0;
}

static int32_t step(struct fake *f, const struct renewd_reply *reply, struct renewd_call *c, int64_t at)
{
    if (!reply)
        f->effects[0] = '\0'; /* those of one attempt are committed together */
    struct renewd_refresh_in in = {.size = sizeof(in),
                                   .call = c,
                                   .purpose = RENEWD_PURPOSE_REFRESH,
                                   .step = f->step++,
                                   .token_set = token_set(f),
                                   .records = f->records,
                                   .reply = reply,
                                   .now = at,
                                   .scratch = f->scratch};
    struct renewd_refresh_out out = {.size = sizeof(out)};

    f->code[0] = f->text[0] = '\0';
    f->outcome = 0;
    f->host.now = at;
    int32_t r = f->plugin->refresh(f->instance, &in, &out);
    f->slow_for = out.slow_for;
    end_call(c);
    return r;
}

int32_t fake_ask(struct fake *f, int64_t at)
{
    struct renewd_call c = {.fake = f};

    f->step = 0;
    memset(f->scratch, 0, sizeof(f->scratch));
    return step(f, NULL, &c, at);
}

void fake_header(struct fake *f, const char *name, const char *value)
{
    f->headers[f->header_count++] = (struct fake_header){.name = name, .value = value};
}

static struct answered answered(struct fake *f, struct renewd_call *c, int32_t status, const char *text)
{
    return (struct answered){.reply = {.size = sizeof(struct renewd_reply),
                                       .status = status,
                                       .body = text,
                                       .length = strlen(text),
                                       .json = fake_json_parse(c, text, strlen(text))},
                             .fake = f};
}

int32_t fake_answer(struct fake *f, int32_t status, const char *text, int64_t at)
{
    struct renewd_call c = {.fake = f};
    struct answered a = answered(f, &c, status, text);

    return step(f, &a.reply, &c, at);
}

int32_t fake_failed(struct fake *f, int32_t status, const char *code, int64_t at)
{
    return fake_failed_with(f, status, code, NULL, at);
}

/* As renewd reads it: seconds or a date, at most an hour; 0 = nothing is asked for. */
static int64_t retry_after(const struct renewd_reply *reply, int64_t at)
{
    const char *text = reply ? reply_header(reply, "Retry-After") : NULL;
    int64_t when;

    if (!text || !*text)
        return 0;
    if (strspn(text, "0123456789") == strlen(text))
        when = strlen(text) < 10 ? at + strtoll(text, NULL, 10) : INT64_MAX;
    else if (httpdate_parse(text, at, &when) != 0)
        return 0;
    return when > at ? backoff_rate_limited(when - at) : 0;
}

int32_t fake_call(struct fake *f, int32_t status, const char *text, int64_t at, struct renewd_on_answer_out *ret)
{
    const struct renewd_value *const none[] = {NULL};
    const struct renewd_record bare = {.size = sizeof(bare), .key = "1", .values = none};
    const struct renewd_record *const records[] = {&bare, NULL};
    struct renewd_call c = {.fake = f};
    struct answered a = answered(f, &c, status, text);
    struct renewd_on_answer_in in = {.size = sizeof(in),
                                     .call = &c,
                                     .records = records,
                                     .reply = &a.reply,
                                     .now = at};

    in.retry_after = retry_after(&a.reply, at);
    *ret = (struct renewd_on_answer_out){.size = sizeof(*ret), .token_refused = status == 401};
    if (status == 429)
        ret->slow_for = in.retry_after ? in.retry_after : 60;
    f->host.now = at;
    f->code[0] = f->text[0] = f->effects[0] = '\0';
    int32_t r = f->plugin->on_answer ? f->plugin->on_answer(f->instance, &in, ret) : 0;

    end_call(&c);
    return r;
}

int32_t fake_failed_with(struct fake *f, int32_t status, const char *code, const char *body_text, int64_t at)
{
    struct renewd_call c = {.fake = f};
    struct answered a = answered(f, &c, status, body_text ? body_text : "");
    const struct renewd_reply *reply = body_text ? &a.reply : NULL;
    struct renewd_on_failure_in in = {.size = sizeof(in),
                                      .call = &c,
                                      .records = f->records,
                                      .reply = reply,
                                      .outcome = f->decision.outcome,
                                      .status = status,
                                      .code = code,
                                      .text = f->text,
                                      .attempts = f->record.attempts + 1,
                                      .strikes = f->record.strikes,
                                      .seconds_to_death = INT64_MAX,
                                      .retry_after = retry_after(reply, at),
                                      .now = at,
                                      .scratch = f->scratch};

    f->host.now = at;
    f->retry_after = in.retry_after;
    if (f->retry_after && (in.outcome == RENEWD_RATE_LIMITED || in.outcome == RENEWD_TRANSIENT))
        f->decision.next_at = at + f->retry_after; /* as renewd decides by itself */
    int32_t r = f->plugin->on_failure ? f->plugin->on_failure(f->instance, &in, &f->decision) : 0;

    end_call(&c);
    return r;
}

/* ---- Events ------------------------------------------------------------------------------ */

static void keep_taken(struct fake *f, const struct renewd_take_event_out *out)
{
    const char *const *same = out->same;

    snprintf(f->event, sizeof(f->event), "%.*s", (int)out->event_length, out->event ? out->event : "");
    snprintf(f->event_id, sizeof(f->event_id), "%s", out->event_id ? out->event_id : "");
    snprintf(f->event_name, sizeof(f->event_name), "%s", out->name ? out->name : "");
    snprintf(f->dropped, sizeof(f->dropped), "%s", out->dropped ? out->dropped : "");
    f->event_time = out->event_time;
    f->last_at = out->last_at;
    for (f->same[0] = '\0'; same && *same; same++)
        append(f->same, "%s\n", *same);
}

int32_t fake_take(struct fake *f, const char *source, const char *const *secrets, const void *message,
                  size_t length, int64_t at)
{
    static const char *const none[] = {NULL};
    struct renewd_call c = {.fake = f};
    struct answered a = {.fake = f};
    struct renewd_take_event_out out = {.size = sizeof(out)};

    a.reply = (struct renewd_reply){.size = sizeof(a.reply), .body = message, .length = length};
    if (!*source)
        a.reply.json = fake_json_parse(&c, message, length);
    struct renewd_take_event_in in = {.size = sizeof(in),
                                      .call = &c,
                                      .source = source,
                                      .message = &a.reply,
                                      .secrets = secrets ? secrets : none,
                                      .job = "test",
                                      .key = f->record.key,
                                      .now = at};
    if (f->beside)
        in.beside = fake_json_parse(&c, f->beside, strlen(f->beside));
    f->host.now = at;
    f->outcome = 0;
    f->text[0] = '\0';
    int32_t r = f->plugin->take_event(f->instance, &in, &out);
    if (r != RENEWD_EVENT_TAKE)
        out = (struct renewd_take_event_out){.size = sizeof(out)};
    keep_taken(f, &out);
    end_call(&c);
    return r;
}

int32_t fake_send(struct fake *f, const char *const *texts, int32_t status, const char *reply, int64_t at)
{
    struct renewd_event events[FAKE_LIST] = {{0}};
    const struct renewd_event *list[FAKE_LIST + 1] = {NULL};
    struct renewd_call c = {.fake = f};
    struct answered a = answered(f, &c, status, reply ? reply : "");
    struct renewd_send_events_out out = {.size = sizeof(out)};
    struct renewd_send_events_in in = {.size = sizeof(in),
                                       .call = &c,
                                       .records = f->records,
                                       .events = list,
                                       .reply = reply ? &a.reply : NULL,
                                       .now = at};

    for (; texts[in.count] && in.count < FAKE_LIST; in.count++) {
        events[in.count] = (struct renewd_event){.size = sizeof(events[0]),
                                                 .text = texts[in.count],
                                                 .length = strlen(texts[in.count])};
        list[in.count] = &events[in.count];
    }
    in.retry_after = retry_after(in.reply, at);
    f->host.now = at;
    f->outcome = 0;
    int32_t r = f->plugin->send_events(f->instance, &in, &out);
    f->became = out.became;
    f->first = out.first;
    f->wait = out.wait;
    if (r != RENEWD_FAILED) {
        snprintf(f->code, sizeof(f->code), "%s", out.code ? out.code : "");
        snprintf(f->text, sizeof(f->text), "%s", out.text ? out.text : "");
    }
    end_call(&c);
    return r;
}
