/* SPDX-License-Identifier: MIT
 * Writing JSON into a struct buf, without a tree in between. Used by the API, the store's JSON column and plugins
 * through the service table. Always writes valid JSON: invalid UTF-8 becomes U+FFFD. Errors are remembered: write
 * everything, then check json_finish.
 */
#ifndef CORE_JSON_JSON_WRITER_H
#define CORE_JSON_JSON_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

struct json_writer {
    struct buf *to;   /* borrowed */
    uint64_t objects; /* one bit per open level: set = object */
    unsigned depth;
    bool comma; /* the next value needs a comma before it */
    int error;  /* the first mistake of the caller */
};

void json_writer_init(struct json_writer *w, struct buf *to);

/* In an object every value has a name, in an array and at the top `name` is NULL (-EINVAL
 * otherwise). */
void json_begin_object(struct json_writer *w, const char *name);
void json_begin_array(struct json_writer *w, const char *name);
void json_end(struct json_writer *w); /* closes whichever was opened last */

void json_put_text(struct json_writer *w, const char *name, const char *text); /* NULL -> null */
void json_put_text_n(struct json_writer *w, const char *name, const char *text, size_t len);
void json_put_integer(struct json_writer *w, const char *name, int64_t value);
void json_put_bool(struct json_writer *w, const char *name, bool value);
void json_put_null(struct json_writer *w, const char *name);
/* The caller guarantees that json is valid JSON. */
void json_put_raw(struct json_writer *w, const char *name, const char *json);
/* RFC 3339 in UTC; null for 0 and for a time out of range. */
void json_put_time(struct json_writer *w, const char *name, int64_t unix_time);

/* 0, -ENOBUFS past the buffer's limit, -EINVAL when levels or names do not match. */
int json_finish(const struct json_writer *w);

#endif
