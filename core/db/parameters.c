/* SPDX-License-Identifier: MIT
 * See parameters.h.
 */
#include "core/db/parameters.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/secret.h"

void args_done(struct args *a)
{
    for (size_t i = 0; i < a->count; i++)
        wipe_free(a->owned[i]);
    free(a->owned);
    free(a->params);
    memset(a, 0, sizeof(*a));
}

int args_add(struct args *a, const char *text, size_t len)
{
    if (a->count == a->cap) {
        a->cap = a->cap ? a->cap * 2 : 16;
        a->params = xrealloc(a->params, a->cap * sizeof(*a->params));
        a->owned = xrealloc(a->owned, a->cap * sizeof(*a->owned));
    }
    memset(&a->params[a->count], 0, sizeof(*a->params));
    a->params[a->count].text = text;
    a->params[a->count].len = text ? len : 0;
    a->owned[a->count] = NULL;
    return (int)++a->count;
}

int args_text(struct args *a, const char *text)
{
    return args_add(a, text, text ? strlen(text) : 0);
}

int args_own(struct args *a, char *text)
{
    int number = args_text(a, text);
    a->owned[a->count - 1] = text;
    return number;
}

int args_number(struct args *a, int64_t number)
{
    return args_own(a, xasprintf("%lld", (long long)number));
}

void args_put(const struct args *a, int number, struct buf *sql)
{
    buf_printf(sql, a->of_rows ? "renewd_u.renewd_p%d" : "$%d", number);
}

void args_put_as(const struct args *a, int number, const char *type, struct buf *sql)
{
    bool cast = a->of_rows && type;

    if (cast)
        buf_text(sql, "CAST(");
    args_put(a, number, sql);
    if (cast)
        buf_printf(sql, " AS %s)", type);
}
