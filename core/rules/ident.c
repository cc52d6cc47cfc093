/* SPDX-License-Identifier: MIT
 * See ident.h.
 */
#include "core/rules/ident.h"

#include <errno.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/base/utf8.h"

#define NAME_MAX_BYTES 63

bool ident_valid(const char *name)
{
    size_t len = strnlen(name, NAME_MAX_BYTES + 1);
    return len > 0 && len <= NAME_MAX_BYTES && utf8_valid(name, len);
}

/* Called after the opening quote: reads up to the closing one. */
static int read_quoted(const char **p, struct buf *name)
{
    for (; **p; (*p)++) {
        if (**p == '"') {
            (*p)++;
            if (**p != '"')
                return 0;
        }
        if (buf_char(name, **p) < 0)
            return 0;
    }
    return -EINVAL;
}

static int read_part(const char **p, const char *whole, char **ret, struct error *e)
{
    cleanup(buf_done) struct buf name = {0};
    buf_init(&name, NAME_MAX_BYTES + 1);
    if (**p == '"') {
        (*p)++;
        if (read_quoted(p, &name) < 0)
            return error_set(e, -EINVAL, "the name `%s` has a quote that is never closed", whole);
    } else {
        size_t len = strcspn(*p, ".\"");
        buf_append(&name, *p, len);
        *p += len;
    }
    if (name.failed || name.len > NAME_MAX_BYTES)
        return error_set(e, -EINVAL, "the name `%s` has a part of more than %d bytes", whole, NAME_MAX_BYTES);
    if (**p != '\0' && **p != '.')
        return error_set(e, -EINVAL,
                         "the name `%s` is quoted in part: quote a whole name, as in "
                         "public.\"App\"",
                         whole);
    if (name.len == 0 || !ident_valid(name.data))
        return error_set(e, -EINVAL, "the name `%s` has a part that is empty or not UTF-8", whole);
    *ret = buf_steal(&name);
    return 0;
}

int ident_split(const char *text, char **ret_schema, char **ret_name, struct error *e)
{
    cleanup(free_p) char *first = NULL;
    char *second = NULL;
    const char *p = text;
    int r = read_part(&p, text, &first, e);
    if (r < 0)
        return r;
    if (*p == '.') {
        p++;
        r = read_part(&p, text, &second, e);
        if (r < 0)
            return r;
        if (*p != '\0') {
            free(second);
            return error_set(e, -EINVAL, "the name `%s` has more than two parts: write table or schema.table",
                             text);
        }
    }
    *ret_schema = second ? first : NULL;
    *ret_name = second ? second : first;
    first = NULL;
    return 0;
}

int ident_quote(const char *name, struct buf *to)
{
    int r = buf_char(to, '"');
    for (; *name && r == 0; name++)
        r = *name == '"' ? buf_text(to, "\"\"") : buf_char(to, *name);
    return r < 0 ? r : buf_char(to, '"');
}
