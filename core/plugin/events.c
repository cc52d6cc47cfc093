/* SPDX-License-Identifier: MIT
 * Calls take_event for an event that came in, and checks its result before anything is stored. Sending events is in
 * batch.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/secret.h"
#include "core/base/utf8.h"
#include "core/plugin/instance_internal.h"
#include "core/time/civil.h"

bool instance_takes_events(const struct instance *i)
{
    return i->host.plugin->descriptor.take_event != NULL;
}

bool instance_event_member(const struct instance *i, const char *name)
{
    const char *const *names = i->host.plugin->descriptor.event_members;

    for (; names && *names; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

size_t instance_event_batch(const struct instance *i)
{
    int64_t batch = i->host.plugin->descriptor.event_batch;
    return batch > 0 ? (size_t)batch : 1;
}

void taken_event_done(struct taken_event *t)
{
    if (t->event)
        explicit_bzero(t->event, t->event_len);
    free(t->event);
    wipe_free(t->event_id);
    wipe_free(t->name);
    free(t->dropped);
    for (size_t i = 0; t->same && t->same[i]; i++)
        wipe_free(t->same[i]);
    free(t->same);
    wipe_free(t->why);
    *t = (struct taken_event){0};
}

/* ---- The rules of an event that is taken; what breaks them is remembered in the call ---- */

static bool plain(const char *text, size_t len)
{
    for (const char *p = text; p < text + len; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            return false;
    return utf8_valid(text, len);
}

/* A copy of a key, or NULL when it can be none. */
static char *take_key(struct renewd_call *c, const char *what, const char *text)
{
    size_t len = text ? strnlen(text, EVENT_KEY_MAX + 1) : 0;

    if (len == 0)
        call_break(c, "took an event with %s that is absent or empty", what);
    else if (len > EVENT_KEY_MAX)
        call_break(c, "took an event with %s of more than %d bytes", what, EVENT_KEY_MAX);
    else if (!plain(text, len))
        call_break(c, "took an event with %s that has control characters or is not UTF-8", what);
    else
        return xstrndup(text, len);
    return NULL;
}

static bool is_object(const char *text, size_t len)
{
    struct json *doc = NULL;
    bool object = json_parse(text, len, &doc, NULL) == 0 && json_kind(doc, "") == JSON_OBJECT;

    json_free(doc);
    return object;
}

static void take_text(struct renewd_call *c, const struct renewd_take_event_out *out, struct taken_event *ret)
{
    if (!out->event || out->event_length == 0) {
        call_break(c, "took an event and gave none");
    } else if (out->event_length > EVENT_TEXT_MAX) {
        call_break(c, "took an event of more than %d KiB", EVENT_TEXT_MAX / 1024);
    } else if (!is_object(out->event, out->event_length)) {
        call_break(c, "took an event that is not one JSON object");
    } else {
        ret->event = xmalloc(out->event_length + 1);
        memcpy(ret->event, out->event, out->event_length);
        ret->event[out->event_length] = '\0';
        ret->event_len = out->event_length;
    }
}

static void take_same(struct renewd_call *c, const char *const *same, struct taken_event *ret)
{
    if (!same)
        return;
    ret->same = xcalloc(EVENT_SAME_MAX + 1, sizeof(*ret->same));
    for (size_t i = 0; same[i] && !c->broken[0]; i++) {
        if (i == EVENT_SAME_MAX)
            call_break(c, "took an event with more than %d further keys", EVENT_SAME_MAX);
        else
            ret->same[i] = take_key(c, "a further key", same[i]);
    }
}

static void plugin_events_take_times(struct renewd_call *c, const struct renewd_take_event_out *out, int64_t now,
                                     struct taken_event *ret)
{
    if (out->event_time < 0 || out->event_time > CIVIL_LAST || out->last_at < 0 || out->last_at > CIVIL_LAST)
        call_break(c, "took an event with a time before 1970 or after 9999 (are these milliseconds?)");
    ret->event_time = out->event_time ? out->event_time : now;
    ret->last_at = out->last_at;
}

static void plugin_events_take(struct renewd_call *c, const struct renewd_take_event_out *out, int64_t now,
                               struct taken_event *ret)
{
    take_text(c, out, ret);
    plugin_events_take_times(c, out, now, ret);
    ret->dropped = out->dropped ? take_key(c, "a reason for dropping it", out->dropped) : NULL;
    ret->event_id = take_key(c, "an event_id", out->event_id);
    ret->name = out->name ? take_key(c, "a name", out->name) : NULL;
    take_same(c, out->same, ret);
}

static void plugin_events_judge(struct renewd_call *c, int32_t what, const struct renewd_take_event_out *out,
                                int64_t now, struct taken_event *ret)
{
    if (what < RENEWD_EVENT_TAKE || what > RENEWD_EVENT_UNKNOWN)
        call_break(c, "returned an unknown result (%d)", what);
    else if (what == RENEWD_EVENT_REFUSE)
        call_judge_fail(c, true, "RENEWD_EVENT_REFUSE");
    else if (what != RENEWD_EVENT_FORGED)
        call_judge_fail(c, false, "RENEWD_EVENT_REFUSE");
    if (c->broken[0])
        return;
    ret->what = what;
    if (what == RENEWD_EVENT_TAKE)
        plugin_events_take(c, out, now, ret);
    else if (what == RENEWD_EVENT_FORGED && !c->text[0])
        ret->why = xstrdup("its signature is absent or wrong");
    else if (what == RENEWD_EVENT_UNKNOWN)
        ret->why = xstrdup("the plugin cannot tell which sender it comes from");
    else if (what != RENEWD_EVENT_IGNORE)
        ret->why = xstrdup(call_why(c));
}

int instance_take_event(struct instance *i, const struct event_message *m, int64_t now, struct taken_event *ret,
                        struct error *e)
{
    static const char *const none[] = {NULL};
    const struct renewd_plugin *d = &i->host.plugin->descriptor;
    struct renewd_take_event_out out = {.size = sizeof(out)};
    const struct http_reply message = {.body = m->body ? m->body : "",
                                       .body_len = m->body ? m->body_len : 0,
                                       .headers = m->headers ? m->headers : "",
                                       .headers_len = m->headers ? m->headers_len : 0};
    struct reply_view view;
    struct renewd_call c;
    int r = 0;

    *ret = (struct taken_event){0};
    if (!d->take_event)
        return error_set(e, -EBADMSG, "the plugin %s takes no events", i->host.plugin->name);
    /* A webhook is not parsed before its signature is verified. */
    message_view_init(&view, &message, !m->source || !*m->source);
    call_begin(&c, &i->host, "take_event");
    c.reply = &message;
    c.secrets = m->secrets;
    c.json_max = m->source && *m->source ? WEBHOOK_BODY_MAX : 0;
    struct renewd_take_event_in in = {.size = sizeof(in),
                                      .call = &c,
                                      .source = m->source ? m->source : "",
                                      .message = &view.public,
                                      .secrets = m->secrets ? m->secrets : none,
                                      .job = i->host.job,
                                      .key = m->key,
                                      .now = now,
                                      .beside =
                                          m->beside ? service_json_parse(&c, m->beside, strlen(m->beside)) : NULL};
    int32_t what = d->take_event(i->state, &in, &out);
    call_returned(&c);
    plugin_events_judge(&c, what, &out, now, ret);
    if (c.broken[0]) {
        taken_event_done(ret);
        r = error_set(e, -EBADMSG, "%s", c.broken);
    }
    call_done(&c);
    reply_view_done(&view);
    return r;
}
