/* SPDX-License-Identifier: MIT
 * See zone.h. Reads TZif versions 1 to 4; leap second tables ("right/") are skipped.
 */
#include "core/time/zone.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/base/file.h"
#include "core/time/tzrule.h"

#define FILE_MAX ((size_t)256 * 1024)
#define NAME_MAX_BYTES 64
#define HEADER 44
#define OFFSET_MAX 93599      /* 25:59:59, the format's bound */
#define REACH INT64_C(200000) /* more than two offsets */

struct change {
    int64_t at;
    int64_t offset; /* from then on */
};

struct zone {
    char *name;
    int64_t first_offset; /* before the first change */
    struct change *changes;
    size_t count;
    bool has_rule;
    struct tzrule rule; /* from the last change on */
};

struct counts {
    size_t isut, isstd, leap, time, type, chars;
};

void zone_free(struct zone *z)
{
    if (!z)
        return;
    free(z->name);
    free(z->changes);
    free(z);
}

void zone_free_p(struct zone **z)
{
    zone_free(*z);
}

const char *zone_name(const struct zone *z)
{
    return z->name;
}

static uint32_t read32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t zone_read_time(const unsigned char *p, size_t width)
{
    if (width == 4)
        return (int32_t)read32(p);
    return (int64_t)((uint64_t)read32(p) << 32 | read32(p + 4));
}

/* The header at p: counts and the length of the block after it. */
static int read_header(const unsigned char *p, size_t left, size_t width, struct counts *ret, size_t *ret_block)
{
    if (left < HEADER || memcmp(p, "TZif", 4) != 0)
        return -EBADMSG;
    struct counts c = {read32(p + 20), read32(p + 24), read32(p + 28),
                       read32(p + 32), read32(p + 36), read32(p + 40)};
    if (c.isut > 256 || c.isstd > 256 || c.leap > 4096 || c.time > 16384 || c.type < 1 || c.type > 256 ||
        c.chars > 4096)
        return -EBADMSG;
    size_t block = c.time * (width + 1) + c.type * 6 + c.chars + c.leap * (width + 4) + c.isstd + c.isut;
    if (block > left - HEADER)
        return -EBADMSG;
    *ret = c;
    *ret_block = block;
    return 0;
}

static int read_block(struct zone *z, const unsigned char *p, const struct counts *c, size_t width)
{
    const unsigned char *indexes = p + c->time * width, *types = indexes + c->time;
    for (size_t i = 0; i < c->type; i++) {
        int32_t offset = (int32_t)read32(types + i * 6);
        if (offset < -OFFSET_MAX || offset > OFFSET_MAX)
            return -EBADMSG;
    }
    z->first_offset = (int32_t)read32(types);
    z->changes = xcalloc(c->time, sizeof(*z->changes));
    for (size_t i = 0; i < c->time; i++) {
        int64_t at = zone_read_time(p + i * width, width);
        if (indexes[i] >= c->type || (i > 0 && at <= z->changes[i - 1].at))
            return -EBADMSG;
        z->changes[i].at = at;
        z->changes[i].offset = (int32_t)read32(types + indexes[i] * 6);
    }
    z->count = c->time;
    return 0;
}

/* "\nRULE\n" after the last block; an empty one means that nothing is known. */
static int read_footer(struct zone *z, const char *p, size_t left)
{
    const char *end = left >= 2 && p[0] == '\n' ? memchr(p + 1, '\n', left - 1) : NULL;
    if (!end)
        return -EBADMSG;
    if (end == p + 1)
        return 0;
    if (end - p > 1024 || tzrule_parse(p + 1, (int)(end - p - 1), &z->rule) < 0)
        return -EBADMSG;
    z->has_rule = true;
    return 0;
}

static int zone_parse(struct zone *z, const unsigned char *p, size_t len)
{
    struct counts c;
    size_t block;
    int r = read_header(p, len, 4, &c, &block);
    if (r < 0)
        return r;
    if (p[4] < '2')
        return read_block(z, p + HEADER, &c, 4);
    p += HEADER + block;
    len -= HEADER + block;
    r = read_header(p, len, 8, &c, &block);
    if (r == 0)
        r = read_block(z, p + HEADER, &c, 8);
    if (r == 0)
        r = read_footer(z, (const char *)p + HEADER + block, len - HEADER - block);
    return r;
}

int zone_from_bytes(const char *name, const void *data, size_t len, struct zone **ret)
{
    cleanup(zone_free_p) struct zone *z = xcalloc(1, sizeof(*z));
    z->name = xstrdup(name);
    int r = zone_parse(z, data, len);
    if (r < 0)
        return r;
    *ret = z;
    z = NULL;
    return 0;
}

static bool good_name(const char *name)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                  "_+-/";
    size_t len = strnlen(name, NAME_MAX_BYTES + 1);
    return len > 0 && len <= NAME_MAX_BYTES && name[0] != '/' && strspn(name, letters) == len &&
           name[len - 1] != '/';
}

int zone_load(const char *name, struct zone **ret, struct error *e)
{
    if (!good_name(name))
        return error_set(e, -EINVAL, "the time zone \"%s\" is not a name like \"Europe/Berlin\" or \"UTC\"", name);
    if (strcmp(name, "UTC") == 0 || strcmp(name, "Etc/UTC") == 0) {
        *ret = xcalloc(1, sizeof(**ret));
        (*ret)->name = xstrdup(name);
        return 0;
    }
    const char *dir = getenv("TZDIR");
    cleanup(free_p) char *path = xasprintf("%s/%s", dir && *dir ? dir : "/usr/share/zoneinfo", name);
    struct buf bytes;
    int r = file_read(path, FILE_MAX, &bytes);
    if (r == -ENOENT || r == -EISDIR || r == -ENOTDIR)
        return error_set(e, -ENOENT,
                         "the time zone \"%s\" is not known: there is no file %s (a name like "
                         "\"Europe/Berlin\", from the package tzdata)",
                         name, path);
    if (r < 0)
        return error_set(e, r, "the time zone \"%s\" cannot be read from %s: %s", name, path, strerror(-r));
    r = zone_from_bytes(name, bytes.data, bytes.len, ret);
    buf_done(&bytes);
    if (r < 0)
        return error_set(e, r, "the time zone \"%s\": the file %s is not a time zone", name, path);
    return 0;
}

/* How many changes are at or before unix_time. */
static size_t changes_until(const struct zone *z, int64_t unix_time)
{
    size_t low = 0, high = z->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (z->changes[middle].at <= unix_time)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int64_t zone_stretch(const struct zone *z, int64_t unix_time, int64_t *ret_from, int64_t *ret_to)
{
    size_t n = changes_until(z, unix_time);
    if (n == z->count && z->has_rule) {
        int64_t offset = tzrule_stretch(&z->rule, unix_time, ret_from, ret_to);
        if (n > 0 && *ret_from < z->changes[n - 1].at)
            *ret_from = z->changes[n - 1].at;
        return offset;
    }
    *ret_from = n > 0 ? z->changes[n - 1].at : INT64_MIN;
    *ret_to = n < z->count ? z->changes[n].at : INT64_MAX;
    return n > 0 ? z->changes[n - 1].offset : z->first_offset;
}

int64_t zone_offset(const struct zone *z, int64_t unix_time)
{
    int64_t from, to;
    return zone_stretch(z, unix_time, &from, &to);
}

void zone_to_local(const struct zone *z, int64_t unix_time, struct civil *ret)
{
    civil_from_seconds(unix_time + zone_offset(z, unix_time), ret);
}

int zone_to_unix(const struct zone *z, int64_t local, int64_t *ret_first, int64_t *ret_last)
{
    int found = 0;
    int64_t after_gap = local, from, to;
    for (int64_t at = local - REACH; at <= local + REACH; at = to) {
        int64_t offset = zone_stretch(z, at, &from, &to);
        int64_t candidate = local - offset;
        if (candidate >= from && candidate < to) {
            if (found++ == 0)
                *ret_first = candidate;
            *ret_last = candidate;
        } else if (candidate < from && found == 0) {
            after_gap = from;
            break;
        }
        if (to == INT64_MAX)
            break;
    }
    if (found == 0)
        *ret_first = *ret_last = after_gap;
    return found > 2 ? 2 : found;
}
