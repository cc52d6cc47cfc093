/* SPDX-License-Identifier: MIT
 * JSON for plugins: reading by path and writing, over core/json.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/secret.h"
#include "core/plugin/call.h"

const struct renewd_json *service_json_parse(struct renewd_call *c, const char *text, size_t len)
{
    struct json *doc;

    if (c->document_count >= DOCUMENTS_MAX) {
        call_break(c, "read more than %d JSON texts", DOCUMENTS_MAX);
        return NULL;
    }
    if (!text || json_parse_up_to(text, len, c->json_max ? c->json_max : JSON_TEXT_MAX, &doc, NULL) < 0)
        return NULL;
    struct renewd_json *j = xcalloc(1, sizeof(*j));
    j->doc = doc;
    j->next = c->documents;
    c->documents = j;
    c->document_count++;
    return j;
}

static const struct json *document(const struct renewd_json *j, const char *path)
{
    return j && path ? j->doc : NULL;
}

int32_t service_json_kind(const struct renewd_json *j, const char *path)
{
    const struct json *doc = document(j, path);
    return doc ? (int32_t)json_kind(doc, path) : RENEWD_JSON_ABSENT;
}

const char *service_json_text(const struct renewd_json *j, const char *path)
{
    const struct json *doc = document(j, path);
    const char *text;
    return doc && json_text(doc, path, &text, NULL) >= 0 ? text : NULL;
}

int32_t service_json_integer(const struct renewd_json *j, const char *path, int64_t *ret)
{
    const struct json *doc = document(j, path);
    int r = doc ? json_integer(doc, path, ret) : -ENOENT;

    switch (r) {
    case JSON_AS_IS:
        return RENEWD_FOUND;
    case JSON_FROM_TEXT:
        return RENEWD_FOUND_IN_STRING;
    case JSON_TRUNCATED:
        return RENEWD_FOUND_ROUNDED;
    case JSON_BEYOND_53:
        return RENEWD_FOUND_BIG;
    case -ENOENT:
        return RENEWD_ABSENT;
    case -ENODATA:
        return RENEWD_NULL;
    case -ERANGE:
        return RENEWD_OUT_OF_RANGE;
    default:
        return RENEWD_WRONG_TYPE;
    }
}

int32_t service_json_boolean(const struct renewd_json *j, const char *path)
{
    const struct json *doc = document(j, path);
    bool value;
    return doc && json_boolean(doc, path, &value) == 0 && value;
}

const char *service_json_digits(struct renewd_call *c, const struct renewd_json *j, const char *path)
{
    const struct json *doc = document(j, path);
    char *digits;

    if (!doc || json_digits(doc, path, &digits) < 0)
        return NULL;
    const char *text = call_text(c, digits, strlen(digits));
    wipe_free(digits);
    return text;
}

size_t service_json_count(const struct renewd_json *j, const char *path)
{
    const struct json *doc = document(j, path);
    const char *name;
    size_t n = 0;

    if (!doc)
        return 0;
    if (json_kind(doc, path) == JSON_ARRAY)
        return json_array_length(doc, path, &n) == 0 ? n : 0;
    while (json_member(doc, path, n, &name))
        n++;
    return n;
}

const char *service_json_name(const struct renewd_json *j, const char *path, size_t index)
{
    const struct json *doc = document(j, path);
    const char *name;
    return doc && json_member(doc, path, index, &name) ? name : NULL;
}

struct renewd_writer *service_json_write(struct renewd_call *c)
{
    struct renewd_writer *w = xcalloc(1, sizeof(*w));

    w->call = c;
    buf_init(&w->buf, c->body_max);
    json_writer_init(&w->writer, &w->buf);
    json_begin_object(&w->writer, NULL);
    w->next = c->writers;
    c->writers = w;
    return w;
}

void writer_free(struct renewd_writer *w)
{
    buf_done(&w->buf);
    free(w);
}

void service_write_text(struct renewd_writer *w, const char *name, const char *text)
{
    json_put_text(&w->writer, name, text);
}

void service_write_integer(struct renewd_writer *w, const char *name, int64_t number)
{
    json_put_integer(&w->writer, name, number);
}

void service_write_raw(struct renewd_writer *w, const char *name, const char *json)
{
    struct json *doc;

    if (!json || json_parse(json, strlen(json), &doc, NULL) < 0) {
        call_break(w->call, "wrote raw JSON that is not valid");
        return;
    }
    json_free(doc);
    json_put_raw(&w->writer, name, json);
}

void service_write_open(struct renewd_writer *w, const char *name, int32_t kind)
{
    if (kind == RENEWD_JSON_OBJECT)
        json_begin_object(&w->writer, name);
    else if (kind == RENEWD_JSON_ARRAY)
        json_begin_array(&w->writer, name);
    else
        call_break(w->call, "opened JSON that is neither object nor array");
}

void service_write_close(struct renewd_writer *w)
{
    json_end(&w->writer);
}

/* Closes the outermost object; what is still open below it is the plugin's mistake. */
const char *service_written(struct renewd_writer *w, size_t *ret_len)
{
    if (w->writer.depth == 1)
        json_end(&w->writer);
    if (json_finish(&w->writer) < 0) {
        call_break(w->call, "wrote JSON of more than %zu MiB, or with levels or names that do not match",
                   w->call->body_max >> 20);
        *ret_len = 0;
        return "";
    }
    *ret_len = w->buf.len;
    return w->buf.data;
}
