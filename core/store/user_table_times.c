/* SPDX-License-Identifier: MIT
 * Finds the form in which most rows of a table hold a time: a row without a value gets its first value in this
 * form, by renewd or by a plugin's statement.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/rules/ident.h"
#include "core/store/user_row.h"
#include "core/store/user_table_internal.h"
#include "core/time/timestamp.h"

enum { LOOKED_AT = 1000, COMPARED = 200, LETTERS = 64, FORM_SIZE = 32 };

/* Two values of one form give the same name; empty: it is not a time. */
static void name_form(const char *text, char ret[FORM_SIZE])
{
    static const long long ms_from = 100000000000, first = 1000000000;
    struct timestamp_form f = {0};
    int64_t ignored;

    ret[0] = '\0';
    if (*text && strspn(text, "0123456789") == strlen(text)) {
        long long n = strtoll(text, NULL, 10);
        if (n >= first)
            snprintf(ret, FORM_SIZE, "%s", n > ms_from ? "ms" : "s");
    } else if (timestamp_parse(text, &ignored, &f) == 0) {
        snprintf(ret, FORM_SIZE, "%c%d%c%d%c%d", f.separator, f.seconds, f.fraction ? f.fraction_mark : '-',
                 f.fraction, f.zone == ZONE_STYLE_Z ? f.zone_letter : '-', (int)f.zone);
    }
}

static char *most(const struct db_result *r)
{
    size_t count = db_rows(r), best = 0;
    char(*forms)[FORM_SIZE] = xcalloc(count + 1, sizeof *forms);
    const char *like = NULL;

    for (size_t i = 0; i < count; i++)
        name_form(db_text(r, i, 0), forms[i]);
    for (size_t i = 0; i < count; i++) {
        size_t same = 0;
        for (size_t k = i; forms[i][0] && k < count; k++)
            same += strcmp(forms[i], forms[k]) == 0;
        if (same > best) {
            best = same;
            like = db_text(r, i, 0);
        }
    }
    free(forms);
    return xstrdup_or_null(like);
}

static char *times_usual(struct db *db, const struct table *t, const struct column *c)
{
    cleanup(buf_done) struct buf sql = {0}, name = {0};
    cleanup(db_result_free_p) struct db_result *r = NULL;
    struct error ignored;

    buf_init(&sql, 4096);
    buf_init(&name, 256);
    ident_quote(c->name, &name);
    buf_printf(&sql, "SELECT v FROM (SELECT CAST(%s AS text) AS v FROM ", name.data);
    table_quoted(db, t, &sql);
    buf_printf(&sql, " LIMIT %d) x WHERE v IS NOT NULL AND length(v) <= %d LIMIT %d", LOOKED_AT, LETTERS, COMPARED);
    return db_run(db, sql.data, NULL, 0, &r, &ignored) < 0
               ? NULL
               : most(r); /* only a hint: without the right to read it, the column's type decides */
}

void table_usual_times(struct db *db, struct table *t)
{
    for (size_t i = 0; i < t->column_count && !db->in_transaction; i++) {
        struct column *c = &t->columns[i];
        bool open = c->form == FORM_TIME_TEXT || (c->form == FORM_UNIX && c->may_be_ms);
        if (c->type == VALUE_TIME && (c->written || c->exact) && open && !c->lookup)
            c->usual = times_usual(db, t, c);
    }
}
