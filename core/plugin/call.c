/* SPDX-License-Identifier: MIT
 * See call.h. The one log line of the host about plugins themselves is here: a slow callback.
 */
#include "core/plugin/call.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/utf8.h"

void call_begin(struct renewd_call *c, struct renewd_host *host, const char *question)
{
    *c = (struct renewd_call){.host = host, .question = question, .body_max = BODY_MAX};
    c->started_ms = clock_boot_ms();
    host->call = c;
}

void call_returned(struct renewd_call *c)
{
    int64_t took = clock_boot_ms() - c->started_ms;
    char text[32];

    if (took <= CALL_SLOW_MS)
        return;
    snprintf(text, sizeof(text), "%" PRId64, took);
    log_line(LEVEL_WARNING, "a plugin's callback was slow and delayed all other work", "plugin",
             c->host->plugin->name, "callback", c->question, "job", c->host->job, "record", view_key(c->view),
             "account", view_account(c->view), "ms", text, NULL);
}

void call_done(struct renewd_call *c)
{
    for (struct renewd_json *j = c->documents, *next; j; j = next) {
        next = j->next;
        json_free(j->doc);
        free(j);
    }
    for (struct renewd_writer *w = c->writers, *next; w; w = next) {
        next = w->next;
        writer_free(w);
    }
    request_free(c->request);
    arena_free(c->arena);
    c->host->call = NULL;
    explicit_bzero(c, sizeof(*c));
}

__attribute__((format(printf, 2, 0))) static void call_note(struct renewd_call *c, const char *fmt, va_list ap)
{
    char what[2 * TEXT_SIZE], shown[TEXT_SIZE];

    vsnprintf(what, sizeof(what), fmt, ap);
    host_outside(c->host, what, shown, sizeof(shown));
    snprintf(c->broken, sizeof(c->broken), "the plugin %.63s is at fault: its %s %.400s", c->host->plugin->name,
             c->question, shown);
    utf8_clean(c->broken, sizeof(c->broken) - 1);
}

void call_break(struct renewd_call *c, const char *fmt, ...)
{
    va_list ap;

    if (c->misused)
        return;
    c->misused = true;
    va_start(ap, fmt);
    call_note(c, fmt, ap);
    va_end(ap);
}

void call_unfit(struct renewd_call *c, const char *fmt, ...)
{
    va_list ap;

    if (c->broken[0])
        return;
    va_start(ap, fmt);
    call_note(c, fmt, ap);
    va_end(ap);
}

void call_judge_fail(struct renewd_call *c, bool failed, const char *result)
{
    if (failed && !c->failed)
        call_break(c, "returned %s without fail()", result);
    else if (!failed && c->failed)
        call_break(c, "called fail() and did not return %s", result);
}

const char *call_why(const struct renewd_call *c)
{
    return c->broken[0] ? c->broken : c->text[0] ? c->text : "no reason given";
}

void *call_alloc(struct renewd_call *c, size_t size)
{
    if (!c->arena)
        c->arena = arena_new(CALL_MEMORY);
    return arena_alloc(c->arena, size);
}

const char *call_text(struct renewd_call *c, const void *data, size_t len)
{
    char *p = len < CALL_MEMORY ? call_alloc(c, len + 1) : NULL;

    if (!p) {
        call_break(c, "used more than 1 MiB of memory");
        return "";
    }
    if (len)
        memcpy(p, data, len);
    return p;
}
