/* SPDX-License-Identifier: MIT
 * A growing byte buffer with a hard limit. Memory that it frees is wiped, so it may hold secrets. After a failed
 * append all further appends fail, so one check at the end is enough.
 */
#ifndef CORE_BASE_BUF_H
#define CORE_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

/* data is NULL until something (even "") was appended, then always NUL-terminated. max limits len; a zeroed
 * struct is a valid buffer that accepts only "". */
struct buf {
    char *data;
    size_t len, cap, max;
    bool failed;
};

void buf_init(struct buf *b, size_t max);
/* Wipes and frees; the buffer is empty and usable again with the same max. */
void buf_done(struct buf *b);
/* Empties the buffer without freeing it, wipes the content and clears failed. */
void buf_clear(struct buf *b);

/* Append everything or nothing: 0, or -ENOBUFS past max (sets failed). */
int buf_append(struct buf *b, const void *data, size_t len);
int buf_text(struct buf *b, const char *text);
int buf_char(struct buf *b, char c);
int buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Appends len bytes for the caller to fill: where they are, or NULL like a failed append. */
char *buf_extend(struct buf *b, size_t len);

/* Gives the NUL-terminated data to the caller (who calls free or wipe_free) and empties the buffer. NULL when an
 * append had failed, so truncated text is never returned. */
char *buf_steal(struct buf *b);

#endif
