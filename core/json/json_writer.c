/* SPDX-License-Identifier: MIT
 * The JSON writer of json_writer.h. It does not use json-c: that would need a tree, and would leave copies of
 * tokens in the library's memory.
 */
#include "core/json/json_writer.h"

#include <errno.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/utf8.h"
#include "core/time/timestamp.h"

enum { DEPTH_MAX = 63 };

void json_writer_init(struct json_writer *w, struct buf *to)
{
    *w = (struct json_writer){.to = to};
}

static bool in_object(const struct json_writer *w)
{
    return w->depth > 0 && (w->objects >> (w->depth - 1) & 1) != 0;
}

static void json_writer_escape(struct buf *to, unsigned char c)
{
    static const char plain[] = "\b\f\n\r\t\"\\", after[] = "bfnrt\"\\";
    const char *at = c != '\0' ? strchr(plain, c) : NULL;

    if (at != NULL)
        buf_printf(to, "\\%c", after[at - plain]);
    else
        buf_printf(to, "\\u%04x", c);
}

static void write_string(struct buf *to, const char *text, size_t len)
{
    size_t from = 0, i = 0;

    buf_text(to, "\"");
    while (i < len) {
        unsigned char c = (unsigned char)text[i];
        size_t n = c < 0x80 ? 1 : utf8_char(text + i, len - i);
        if (n > 0 && c >= 0x20 && c != '"' && c != '\\') {
            i += n;
            continue;
        }
        buf_append(to, text + from, i - from);
        if (c < 0x20 || c == '"' || c == '\\')
            json_writer_escape(to, c);
        else
            buf_text(to, "\xef\xbf\xbd");
        from = ++i;
    }
    buf_append(to, text + from, len - from);
    buf_text(to, "\"");
}

/* Writes what precedes every value. False when no value is allowed here. */
static bool begin_value(struct json_writer *w, const char *name)
{
    if (w->error == 0 && (in_object(w) != (name != NULL) || (w->depth == 0 && w->comma)))
        w->error = -EINVAL;
    if (w->error < 0)
        return false;
    if (w->comma)
        buf_text(w->to, ",");
    w->comma = true;
    if (name != NULL) {
        write_string(w->to, name, strlen(name));
        buf_text(w->to, ":");
    }
    return true;
}

static void begin_level(struct json_writer *w, const char *name, bool object)
{
    if (w->depth == DEPTH_MAX && w->error == 0)
        w->error = -EINVAL;
    if (!begin_value(w, name))
        return;
    buf_text(w->to, object ? "{" : "[");
    w->objects &= ~(UINT64_C(1) << w->depth);
    w->objects |= (uint64_t)object << w->depth;
    w->depth++;
    w->comma = false;
}

void json_begin_object(struct json_writer *w, const char *name)
{
    begin_level(w, name, true);
}

void json_begin_array(struct json_writer *w, const char *name)
{
    begin_level(w, name, false);
}

void json_end(struct json_writer *w)
{
    if (w->depth == 0 && w->error == 0)
        w->error = -EINVAL;
    if (w->error < 0)
        return;
    buf_text(w->to, in_object(w) ? "}" : "]");
    w->depth--;
    w->comma = true;
}

void json_put_text(struct json_writer *w, const char *name, const char *text)
{
    if (text == NULL)
        json_put_null(w, name);
    else
        json_put_text_n(w, name, text, strlen(text));
}

void json_put_text_n(struct json_writer *w, const char *name, const char *text, size_t len)
{
    if (begin_value(w, name))
        write_string(w->to, text, len);
}

void json_put_integer(struct json_writer *w, const char *name, int64_t value)
{
    if (begin_value(w, name))
        buf_printf(w->to, "%lld", (long long)value);
}

void json_put_bool(struct json_writer *w, const char *name, bool value)
{
    json_put_raw(w, name, value ? "true" : "false");
}

void json_put_null(struct json_writer *w, const char *name)
{
    json_put_raw(w, name, "null");
}

void json_put_raw(struct json_writer *w, const char *name, const char *json)
{
    if (begin_value(w, name))
        buf_text(w->to, json);
}

void json_put_time(struct json_writer *w, const char *name, int64_t unix_time)
{
    char text[TIMESTAMP_SIZE];

    if (unix_time == 0 || timestamp_rfc3339(unix_time, text, sizeof text) < 0)
        json_put_null(w, name);
    else
        json_put_text(w, name, text);
}

int json_finish(const struct json_writer *w)
{
    if (w->to->failed)
        return -ENOBUFS;
    return w->error < 0 ? w->error : w->depth > 0 || !w->comma ? -EINVAL : 0;
}
