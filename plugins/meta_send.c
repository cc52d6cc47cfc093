/* SPDX-License-Identifier: MIT
 * See meta_events.h: a batch on its way to a pixel, and what Meta's answer says of it. Meta rejects a whole batch
 * for one bad event, so a refusal is classified by its cause: an event, the token, the pixel, the app, or none of
 * these. In doubt the events are sent again with the same ids; Meta drops the duplicates.
 */
#include "meta_events.h"

#include <stdio.h>
#include <string.h>

#define BLOCKED 3600 /* seconds to stay away after a block for policy */
#define MOST_COPIED (512 * 1024)
#define LONGEST_ID 64
#define LONGEST_SAID 160
#define LONGEST_WORD 32 /* a longer one might be a token */

/* ---- The request -------------------------------------------------------------------------- */

static const char check_pixel[] = "; check the pixel id, the user's access to it, the app's permissions";

/* It becomes part of the path; ".." for example would change the destination. */
static int is_id(const char *text)
{
    size_t len = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");
    return len > 0 && len <= LONGEST_ID && !text[len];
}

/* Where the event begins in its stored text, after the members of the request. */
static const char *event_in(const struct renewd_event *e, size_t *ret_length)
{
    const char *at = strstr(e->text, META_EVENT);

    if (e->length == 0 || strncmp(e->text, "{\"event_time\"", 13) == 0 || !at) {
        *ret_length = e->length;
        return e->text;
    }
    at += sizeof("\"event\":") - 1;
    *ret_length = e->length - (size_t)(at - e->text) - 1;
    return at;
}

/* Without what ends what was kept; NULL = that is enough for one request. */
static const char *copy_event(const struct renewd_services *s, struct renewd_call *call, const char *event,
                              size_t length, size_t *io_copied)
{
    char *text = *io_copied + length > MOST_COPIED ? NULL : s->memory(call, length + 1);

    if (text)
        memcpy(text, event, length);
    *io_copied += length;
    return text;
}

/* The leading events with the same members of the request; returns their number. */
static size_t write_events(const struct renewd_services *s, struct renewd_call *call, struct renewd_writer *w,
                           const struct renewd_event *const *events)
{
    size_t first_length, length, count = 0, copied = 0;
    const char *first = event_in(events[0], &first_length);
    size_t before = (size_t)(first - events[0]->text);

    s->write_open(w, "data", RENEWD_JSON_ARRAY);
    for (; events[count]; count++) {
        const char *event = event_in(events[count], &length);
        if ((size_t)(event - events[count]->text) != before ||
            memcmp(events[count]->text, events[0]->text, before) != 0)
            break;
        if (event != events[count]->text && (event = copy_event(s, call, event, length, &copied)) == NULL)
            break;
        s->write_raw(w, NULL, event);
    }
    s->write_close(w);
    return count;
}

static void write_beside(const struct meta *m, struct renewd_call *call, struct renewd_writer *w,
                         const struct renewd_event *e)
{
    const struct renewd_services *s = m->graph.services;
    size_t length;
    const struct renewd_json *kept =
        event_in(e, &length) == e->text ? NULL : s->json_parse(call, e->text, e->length);
    const char *code = s->json_text(kept, "test_event_code"), *partner = s->json_text(kept, "partner_agent");

    code = code ? code : m->test_code;
    if (code)
        s->write_text(w, "test_event_code", code);
    if (partner)
        s->write_text(w, "partner_agent", partner);
}

static int32_t ask(const struct meta *m, const struct renewd_send_events_in *in, struct renewd_send_events_out *out)
{
    const struct graph *g = &m->graph;
    const struct renewd_services *s = g->services;
    const struct renewd_value *pixel = s->slot(in->records[0], "pixel_id");
    const struct renewd_value *token = s->slot(in->records[0], "access_token");
    size_t length;

    if (!pixel->present) {
        out->became = RENEWD_SENT_HOLD;
        out->code = "no_pixel";
        out->text =
            "the record has no pixel id, so its events have no destination; fill the column that pixel_id is mapped to";
        return RENEWD_DONE;
    }
    if (!is_id(pixel->text)) {
        out->became = RENEWD_SENT_HOLD;
        out->code = "pixel_id";
        out->text = "the record's pixel id may hold only letters, digits, _ and -, at most 64 of them; correct it";
        return RENEWD_DONE;
    }
    if (!token->present)
        return s->fail(in->call, RENEWD_RECONNECT, NULL,
                       "the record has no access token; the account has to be connected again");
    const char *const url[] = {g->facebook_url, "/", g->version, "/", pixel->text, "/events", NULL};
    struct renewd_request *r = s->request(in->call, "POST", s->join(in->call, url));
    s->query(r, "access_token", token->text);
    graph_proof(g, in->call, r, token->text);
    struct renewd_writer *w = s->json_write(in->call);
    size_t count = write_events(s, in->call, w, in->events);
    if (count < in->count && META_GIVEN(out, renewd_send_events_out, first) && count > 0)
        out->first = count;
    else if (count < in->count)
        return s->fail(in->call, RENEWD_TRANSIENT, NULL,
                       "these events need more than one request, which this version of "
                       "renewd cannot make for a plugin; update renewd");
    write_beside(m, in->call, w, in->events[0]);
    const char *text = s->written(w, &length);
    s->body(r, "application/json", text, length);
    return RENEWD_WAIT;
}

/* ---- Whose fault it is -------------------------------------------------------------------- */

struct fault {
    int32_t became;
    const char *what; /* for people */
    const char *todo;
};

static int says(const char *message, const char *what)
{
    return message && strstr(message, what) != NULL;
}

/* Code 100 is a bad parameter: of an event, unless the reply says that it belongs to the request. */
static struct fault bad_parameter(const char *message, int64_t subcode)
{
    if (subcode == 33 || says(message, "does not exist"))
        return (struct fault){RENEWD_SENT_HOLD, " does not know this pixel, or this token may not use it",
                              check_pixel};
    if (says(message, "Error validating") || says(message, "appsecret_proof"))
        return (struct fault){RENEWD_SENT_LATER, " refuses the app",
                              "; check app_id, app_secret and appsecret_proof"};
    if (subcode == 2804003)
        return (struct fault){RENEWD_SENT_TOO_OLD, " refuses an event as too old", ""};
    return (struct fault){RENEWD_SENT_BAD, " refuses an event", ""};
}

static struct fault by_outcome(const struct renewd_reply *reply, const struct graph_verdict *v)
{
    if (v->outcome == RENEWD_RATE_LIMITED)
        return (struct fault){RENEWD_SENT_LATER,
                              v->blocked ? " blocks these requests for a while (policy)"
                                         : " asks for fewer requests",
                              ""};
    if (v->outcome == RENEWD_MISCONFIGURED)
        return (struct fault){RENEWD_SENT_LATER, " refuses the app", "; check app_id, app_secret and version"};
    if (reply->status == 413)
        return (struct fault){RENEWD_SENT_BAD, " refuses the request as too large", ""};
    if (reply->status >= 200 && reply->status <= 299 && !v->code)
        return (struct fault){RENEWD_SENT_UNKNOWN, " answered without the number of events it received", ""};
    return (struct fault){RENEWD_SENT_LATER, " could not accept the events now", ""};
}

static struct fault sort(const struct renewd_reply *reply, const struct graph_verdict *v, const char *message,
                         int64_t code, int64_t subcode)
{
    if (code == 190 || code == 102 || (!v->code && reply->status == 401))
        return (struct fault){RENEWD_SENT_TOKEN, " refuses the access token", ""};
    if (code == 3 || code == 10 || (code >= 200 && code <= 299) || code == 803)
        return (struct fault){RENEWD_SENT_HOLD, " refuses the events of this pixel", check_pixel};
    if (code == 100)
        return bad_parameter(message, subcode);
    return by_outcome(reply, v);
}

/* ---- What people read --------------------------------------------------------------------- */

/* Meta's own short title of an error, unless it may hold a secret. */
static const char *said(const struct meta *m, struct renewd_call *call, const struct renewd_reply *reply)
{
    const struct renewd_services *s = m->graph.services;
    const char *title = s->json_text(reply->json, "error.error_user_title");
    size_t word = 0;

    if (!title || !*title || strlen(title) > LONGEST_SAID)
        return "";
    for (const unsigned char *p = (const unsigned char *)title; *p; p++) {
        word = *p <= ' ' ? 0 : word + 1;
        if (word > LONGEST_WORD || (*p < ' ' || *p == 0x7f))
            return "";
    }
    const char *const parts[] = {": \"", title, "\"", NULL};
    return s->join(call, parts);
}

static void explain(const struct meta *m, const struct renewd_send_events_in *in, const struct fault *f,
                    const struct graph_verdict *v, struct renewd_send_events_out *out)
{
    const struct renewd_services *s = m->graph.services;
    char status[64];

    snprintf(status, sizeof(status), " (HTTP %d%s%.40s)", (int)in->reply->status, v->code ? ", " : "",
             v->code ? v->code : "");
    const char *const parts[] =
        {m->graph.name, f->what, v->outcome == RENEWD_RECONNECT ? v->why : "", said(m, in->call, in->reply), status,
         f->todo,       NULL};
    out->code = v->code;
    out->text = s->join(in->call, parts);
}

/* ---- The answer --------------------------------------------------------------------------- */

/* Whether the reply says how many events were received; then out gets the result. */
static int counted(const struct meta *m, const struct renewd_send_events_in *in, struct renewd_send_events_out *out)
{
    const struct renewd_services *s = m->graph.services;
    int32_t error = s->json_kind(in->reply->json, "error");
    int64_t received = -1;
    char text[120];

    if (in->reply->status != 200 || (error != RENEWD_JSON_ABSENT && error != RENEWD_JSON_NULL) ||
        s->json_integer(in->reply->json, "events_received", &received) < 0)
        return 0;
    if (received >= 0 && (uint64_t)received == in->count) {
        out->became = RENEWD_SENT;
        return 1;
    }
    snprintf(text, sizeof(text), " received %lld of %lu events, so all are sent again with the same ids",
             (long long)received, (unsigned long)in->count);
    const char *const parts[] = {m->graph.name, text, NULL};
    out->became = RENEWD_SENT_UNKNOWN;
    out->text = s->join(in->call, parts);
    return 1;
}

static void read_answer(const struct meta *m, const struct renewd_send_events_in *in,
                        struct renewd_send_events_out *out)
{
    const struct renewd_services *s = m->graph.services;
    const struct renewd_json *json = in->reply->json;
    int64_t code = 0, subcode = 0;
    struct graph_verdict v;

    graph_judge(&m->graph, in->call, in->reply, &v);
    s->json_integer(json, "error.code", &code);
    s->json_integer(json, "error.error_subcode", &subcode);
    struct fault f = sort(in->reply, &v, s->json_text(json, "error.message"), code, subcode);
    out->became = f.became;
    if (f.became == RENEWD_SENT_LATER)
        out->wait = v.blocked         ? BLOCKED
                    : in->retry_after ? in->retry_after
                                      : graph_slow_for(&m->graph, in->call, in->reply);
    explain(m, in, &f, &v, out);
}

int32_t meta_send_events(void *instance, const struct renewd_send_events_in *in, struct renewd_send_events_out *out)
{
    const struct meta *m = instance;

    if (!in->reply)
        return ask(m, in, out);
    if (in->reply->status == 0) {
        out->became = RENEWD_SENT_UNKNOWN;
        out->text = "no answer came from Meta; the events may have arrived, and are sent again with the same ids";
    } else if (!counted(m, in, out)) {
        read_answer(m, in, out);
    }
    return RENEWD_DONE;
}
