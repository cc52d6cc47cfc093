/* SPDX-License-Identifier: MIT
 * See buf.h. Grows by copying and wiping, because realloc leaves the old bytes in the heap.
 */
#include "core/base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"

void buf_init(struct buf *b, size_t max)
{
    memset(b, 0, sizeof(*b));
    b->max = max;
}

void buf_done(struct buf *b)
{
    if (b->data)
        explicit_bzero(b->data, b->cap);
    free(b->data);
    buf_init(b, b->max);
}

void buf_clear(struct buf *b)
{
    if (b->data)
        explicit_bzero(b->data, b->cap);
    b->len = 0;
    b->failed = false;
}

/* Room for more bytes and a NUL. */
static int buf_reserve(struct buf *b, size_t more)
{
    if (b->failed || b->len > b->max || more > b->max - b->len) {
        b->failed = true;
        return -ENOBUFS;
    }
    size_t need = b->len + more + 1;
    if (b->data && need <= b->cap)
        return 0;
    size_t cap = b->cap < 64 ? 64 : b->cap;
    while (cap < need)
        cap = cap > need / 2 ? need : cap * 2;
    if (cap < b->cap + b->cap / 2)
        cap = b->cap + b->cap / 2;
    char *data = xmalloc(cap);
    if (b->data) {
        memcpy(data, b->data, b->len);
        explicit_bzero(b->data, b->cap);
        free(b->data);
    }
    data[b->len] = '\0';
    b->data = data;
    b->cap = cap;
    return 0;
}

int buf_append(struct buf *b, const void *data, size_t len)
{
    int r = buf_reserve(b, len);
    if (r < 0)
        return r;
    if (len)
        memcpy(b->data + b->len, data, len);
    b->len += len;
    b->data[b->len] = '\0';
    return 0;
}

char *buf_extend(struct buf *b, size_t len)
{
    if (buf_reserve(b, len) < 0)
        return NULL;
    char *at = b->data + b->len;
    b->len += len;
    b->data[b->len] = '\0';
    return at;
}

int buf_text(struct buf *b, const char *text)
{
    return buf_append(b, text, strlen(text));
}

int buf_char(struct buf *b, char c)
{
    return buf_append(b, &c, 1);
}

/* Most texts fit into the room that is there: they are formatted once. */
int buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    size_t room = b->data && !b->failed ? b->cap - b->len : 0;
    int len = vsnprintf(room ? b->data + b->len : NULL, room, fmt, ap);
    va_end(ap);
    bool there = len >= 0 && (size_t)len < room;
    if (room && !(there && (size_t)len <= b->max - b->len))
        b->data[b->len] = '\0';
    int r = len < 0 ? -EINVAL : buf_reserve(b, (size_t)len);
    if (r == 0 && there) {
        b->len += (size_t)len;
    } else if (r == 0) {
        vsnprintf(b->data + b->len, (size_t)len + 1, fmt, again);
        b->len += (size_t)len;
    } else {
        b->failed = true;
    }
    va_end(again);
    return r;
}

char *buf_steal(struct buf *b)
{
    if (b->failed || (!b->data && buf_reserve(b, 0) < 0))
        return NULL;
    char *data = b->data;
    buf_init(b, b->max);
    return data;
}
