/* SPDX-License-Identifier: MIT
 * Scans a file of spool entries: every complete entry is found, whatever precedes it; damaged or cut off parts are
 * left out and reported. It does not unseal entries.
 */
#include "config.h" /* _GNU_SOURCE */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/journal/spool_internal.h"

enum { CHUNK = 64 * 1024 };

int spool_read_at(int fd, void *to, size_t len, off_t at)
{
    size_t done = 0;

    while (done < len) {
        ssize_t n = pread(fd, (char *)to + done, len - done, at + (off_t)done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return -ENODATA;
        done += (size_t)n;
    }
    return 0;
}

/* 1 and the entry when a complete one begins here, else 0. */
static int entry_at(const struct spool_scan *r, off_t at, struct spool_head *ret)
{
    unsigned char bytes[SPOOL_HEAD_SIZE];

    if (r->size - at < SPOOL_HEAD_SIZE)
        return 0;
    int result = spool_read_at(r->fd, bytes, sizeof bytes, at);
    if (result < 0)
        return result;
    if (!spool_head_read(bytes, ret) || r->size - at - SPOOL_HEAD_SIZE < (off_t)ret->length)
        return 0;
    result = spool_read_at(r->fd, r->text, ret->length, at + SPOOL_HEAD_SIZE);
    if (result < 0)
        return result;
    r->text[ret->length] = '\0';
    return spool_check_fits(bytes, r->text, ret->length);
}

/* The offset of the next magic at or after `at`, or the file's size; also returns whether all bytes between are
 * zero. */
static int next_magic(const struct spool_scan *r, off_t at, off_t *ret_at, bool *ret_zero)
{
    cleanup(free_p) char *chunk = xmalloc(CHUNK);
    bool zero = true;

    while (at < r->size) {
        off_t data = lseek(r->fd, at, SEEK_DATA);
        if (data < 0 && errno == ENXIO)
            break;
        if (data > at)
            at = data;
        size_t len = r->size - at < CHUNK ? (size_t)(r->size - at) : CHUNK;
        int result = spool_read_at(r->fd, chunk, len, at);
        if (result < 0)
            return result;
        const char *found = memmem(chunk, len, SPOOL_MAGIC, 4);
        size_t skip = found ? (size_t)(found - chunk) : len > 3 ? len - 3 : len;
        for (size_t i = 0; i < skip && zero; i++)
            zero = chunk[i] == '\0';
        at += (off_t)skip;
        if (found) {
            *ret_at = at;
            *ret_zero = zero;
            return 0;
        }
    }
    *ret_at = r->size;
    *ret_zero = zero;
    return 0;
}

/* Calls the callback for all complete entries of the file, in their order. */
int spool_scan(struct spool_scan *r, spool_entry_fn *entry, void *ctx, struct error *e)
{
    struct spool_head head;
    off_t at = 0, found;
    bool lost = false, zero;
    int result = 0;

    r->text = xmalloc(SPOOL_TEXT_MAX + 1);
    while (at < r->size) {
        result = entry_at(r, at, &head);
        if (result > 0) {
            result = entry(ctx, &head, r->text, at, e);
            if (result < 0)
                break;
            r->damaged = r->damaged || lost;
            lost = false;
            at += SPOOL_HEAD_SIZE + (off_t)head.length;
            continue;
        }
        if (result == 0)
            result = next_magic(r, at, &found, &zero);
        if (result == 0 && found == at) { /* a false head: continue behind its magic */
            lost = true;
            result = next_magic(r, at + 1, &found, &zero);
        }
        if (result < 0) {
            error_set(e, result, "spool file %s: reading failed: %s", r->path, strerror(-result));
            break;
        }
        lost = lost || !zero;
        r->torn = found == r->size;
        at = found;
    }
    free(r->text);
    r->text = NULL;
    return result < 0 ? result : 0;
}
