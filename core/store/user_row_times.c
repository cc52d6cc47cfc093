/* SPDX-License-Identifier: MIT
 * Times of rows beside what renewd knows of them: an hour that a clock repeats, and lengths or
 * other texts where points are meant.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/alloc.h"
#include "core/store/user_row.h"
#include "core/time/timestamp.h"

static bool without_zone(const struct column *c, const struct cell *cell)
{
    struct timestamp_form form = {0};
    int64_t ignored;

    if (c->form == FORM_TIMESTAMP)
        return true;
    return cell->raw && timestamp_parse(cell->raw, &ignored, &form) == 0 && form.zone == ZONE_STYLE_NONE;
}

/* Only in a repeated hour do two different times look the same. */
static void own_instant(const struct table *t, struct row *row, const char *slot, int64_t known)
{
    int i = table_column(t, slot);
    struct cell *cell = i >= 0 && (size_t)i < row->count ? &row->cells[i] : NULL;

    if (!known || !cell || !cell->text || !without_zone(&t->columns[i], cell))
        return;
    int64_t read = strtoll(cell->text, NULL, 10);
    if (read == known || table_to_wall(t, read) != table_to_wall(t, known))
        return;
    free(cell->text);
    cell->text = xasprintf("%lld", (long long)known);
    cell->len = strlen(cell->text);
}

void row_own_instants(const struct table *t, struct row *row, const struct record *known)
{
    if (!t->zone || !known->source)
        return;
    own_instant(t, row, "expires_at", known->expires_at);
    own_instant(t, row, "refreshed_at", known->refreshed_at);
}

bool row_holds_length(const struct table *t, const struct row *row, size_t column)
{
    static const long long first = 1000000000; /* September 2001 */
    const struct column *c = &t->columns[column];
    const char *text = row->cells[column].text, *raw = row->cells[column].raw;

    if (t->own || c->type != VALUE_TIME || !c->hashed || !text ||
        (raw && strspn(raw, "0123456789.") != strlen(raw)))
        return false;
    return (c->form == FORM_UNIX || c->form == FORM_UNIX_MS || c->form == FORM_TIME_TEXT) &&
           strtoll(text, NULL, 10) > 0 && strtoll(text, NULL, 10) < first;
}

/* A number is one even where no year holds it, and PostgreSQL writes infinity for what never ends. */
static bool means_unknown(const char *text)
{
    char *end;
    size_t blank = strspn(text, " \t\r\n");

    if (!text[blank] || !strcasecmp(text, "infinity") || !strcasecmp(text, "-infinity"))
        return true;
    strtod(text, &end);
    return !*end && !strpbrk(text, "xXpPnN");
}

bool row_holds_no_time(const struct table *t, const struct row *row, size_t column)
{
    const struct column *c = &t->columns[column];
    const struct cell *cell = &row->cells[column];
    int64_t ignored;

    if (t->own || c->type != VALUE_TIME || !c->written || c->lookup || cell->text || !cell->raw ||
        c->form == FORM_TIMESTAMPTZ || c->form == FORM_TIMESTAMP)
        return false;
    return !means_unknown(cell->raw) && timestamp_parse(cell->raw, &ignored, NULL) != -ERANGE;
}

char *rows_of_lengths(const struct table *t, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < t->column_count; i++) {
        size_t values = 0, lengths = 0;
        for (size_t k = 0; k < count; k++) {
            values += rows[k].cells[i].text || rows[k].cells[i].raw;
            lengths += row_holds_length(t, &rows[k], i);
        }
        if (lengths && lengths == values)
            return xasprintf(
                "column \"%s\" of %s holds lengths of time, not points in time: every value that was read is "
                "below 1000000000; let the application store when a token ends, as Unix seconds or a date, or "
                "take the column out of columns",
                t->columns[i].name, t->name);
    }
    return NULL;
}
