/* SPDX-License-Identifier: MIT
 * See json_mend.h.
 */
#include "core/json/json_mend.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/utf8.h"

enum { NAME_SHOWN = 60 };

struct mend {
    char *copy;
    size_t len, at;
    const char *name; /* of the member whose value is read; NULL: none yet */
    size_t name_len;
    struct buf *names;
    bool any, told;
};

static long code_unit(const struct mend *m, size_t at)
{
    char digits[5] = "", *end;

    if (m->len - at < 6 || m->copy[at] != '\\' || m->copy[at + 1] != 'u')
        return -1;
    memcpy(digits, m->copy + at + 2, 4);
    long c = strtol(digits, &end, 16);
    return *end ? -1 : c;
}

static void hit(struct mend *m, size_t n, const char *with)
{
    memcpy(m->copy + m->at, with, n);
    m->at += n;
    m->any = true;
    if (m->told || !m->name)
        return;
    m->told = true;
    if (m->names->len)
        buf_text(m->names, ", ");
    size_t shown = m->name_len < NAME_SHOWN ? m->name_len : NAME_SHOWN;
    buf_append(m->names, m->name, shown);
}

static void json_mend_escape(struct mend *m)
{
    long c = code_unit(m, m->at), next = c >= 0xd800 && c < 0xdc00 ? code_unit(m, m->at + 6) : -1;

    if (next >= 0xdc00 && next < 0xe000)
        m->at += 12;
    else if (c == 0 || (c >= 0xd800 && c < 0xe000))
        hit(m, 6, "\\u007f");
    else
        m->at += m->at + 1 < m->len ? 2 : 1;
}

/* From the opening quote to behind the closing one. */
static void string(struct mend *m)
{
    m->told = false;
    m->at++;
    while (m->at < m->len && m->copy[m->at] != '"') {
        size_t n = utf8_char(m->copy + m->at, m->len - m->at);
        if (m->copy[m->at] == '\\')
            json_mend_escape(m);
        else if (n == 0 || m->copy[m->at] == '\0')
            hit(m, 1, "\x7f");
        else
            m->at += n;
    }
    m->at += m->at < m->len;
}

char *json_mend(const char *text, size_t len, struct buf *names)
{
    struct mend m = {.copy = xmemdup(text, len), .len = len, .names = names};

    while (m.at < len) {
        size_t from = m.at;
        if (m.copy[from] != '"') {
            m.at++;
            continue;
        }
        string(&m);
        size_t next = m.at;
        while (next < len && strchr(" \t\r\n", m.copy[next]) && m.copy[next])
            next++;
        if (next < len && m.copy[next] == ':') {
            m.name = m.copy + from + 1;
            m.name_len = m.at - from - 2;
        }
    }
    if (m.any)
        return m.copy;
    explicit_bzero(m.copy, len);
    free(m.copy);
    return NULL;
}

struct json_fault json_fault(const char *what, const char *text, size_t len, int r, size_t offset)
{
    struct json_fault f;
    struct buf names;

    buf_init(&names, 200);
    char *copy = r == -EILSEQ ? json_mend(text, len, &names) : NULL;
    if (copy)
        snprintf(f.why, sizeof f.why,
                 "%s is not text (it has bytes that are not UTF-8, or half a surrogate pair)%s%s, at "
                 "offset %zu",
                 what, names.len ? " in " : "", names.len ? names.data : "", offset);
    else
        snprintf(f.why, sizeof f.why, "%s is not JSON%s, at offset %zu", what,
                 r == -EFBIG ? " within the limits of length and depth" : "", offset);
    utf8_clean(f.why, sizeof f.why - 1);
    if (copy)
        explicit_bzero(copy, len);
    free(copy);
    buf_done(&names);
    return f;
}
