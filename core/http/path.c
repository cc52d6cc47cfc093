/* SPDX-License-Identifier: MIT
 * See path.h.
 */
#include "core/http/path.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/digits.h"
#include "core/base/utf8.h"

int path_decode(const char *raw, size_t len, bool plus_is_blank, char *out)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        char c = raw[i];
        if (c == '%') {
            int high = len - i > 2 ? digit_hex(raw[i + 1]) : -1;
            int low = high >= 0 ? digit_hex(raw[i + 2]) : -1;
            if (low < 0)
                return -EINVAL;
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus_is_blank) {
            c = ' ';
        }
        if (c == '\0')
            return -EINVAL;
        out[n++] = c;
    }
    out[n] = '\0';
    return utf8_valid(out, n) ? (int)n : -EINVAL;
}

static bool path_is_dots(const char *segment)
{
    return strcmp(segment, ".") == 0 || strcmp(segment, "..") == 0;
}

static bool is_step(const char *raw, size_t len, bool key, const char *segment)
{
    if (!key)
        return strchr(segment, '/') || path_is_dots(segment);
    return path_is_dots(segment) && memchr(raw, '.', len);
}

int path_split(const char *raw, size_t key_at, char *segments[], size_t max, char **ret_memory)
{
    size_t count = 0;
    const char *at = raw + 1;

    if (raw[0] != '/')
        return -EINVAL;
    /* Each segment has a "/" before it; the byte of that "/" makes room for its NUL. */
    char *memory = xmalloc(strlen(raw) + 1), *out = memory;
    for (bool more = *at != '\0'; more; count++) {
        size_t len = strcspn(at, "/");
        int n = count < max ? path_decode(at, len, false, out) : -E2BIG;
        if (n >= 0 && is_step(at, len, count == key_at, out))
            n = -EINVAL;
        if (n < 0) {
            free(memory);
            return n;
        }
        segments[count] = out;
        out += n + 1;
        more = at[len] == '/';
        at += len + 1;
    }
    *ret_memory = memory;
    return (int)count;
}
