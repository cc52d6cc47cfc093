/* SPDX-License-Identifier: MIT
 * Tables for people: columns as wide as their widest cell, two blanks between them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/utf8.h"
#include "core/ctl/ctl.h"

enum { CELL_MAX = 400 };

static size_t width_of(const char *text)
{
    size_t n = 0;

    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static void widen(struct sheet *s, size_t column, const char *text)
{
    size_t n = width_of(text);

    if (n > s->width[column])
        s->width[column] = n;
}

void sheet_begin(struct sheet *s, const char *const *titles)
{
    memset(s, 0, sizeof *s);
    s->titles = titles;
    for (; titles[s->columns] && s->columns < SHEET_COLUMNS; s->columns++)
        widen(s, s->columns, titles[s->columns]);
}

void sheet_row(struct sheet *s, char *const cells[])
{
    if (s->rows == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 64;
        s->cells = xrealloc(s->cells, s->cap * s->columns * sizeof *s->cells);
    }
    char **row = &s->cells[s->rows++ * s->columns];
    for (size_t i = 0; i < s->columns; i++) {
        row[i] = cells[i] ? cells[i] : xstrdup("-");
        utf8_clean(row[i], CELL_MAX);
        widen(s, i, row[i]);
    }
}

/* The last column is not padded: lines end where their text does. */
static void print_line(const struct sheet *s, const char *const *cells)
{
    for (size_t i = 0; i < s->columns; i++) {
        fputs(cells[i], stdout);
        if (i + 1 < s->columns)
            printf("%*s", (int)(s->width[i] - width_of(cells[i]) + 2), "");
    }
    putchar('\n');
}

static void clear(struct sheet *s)
{
    for (size_t i = 0; i < s->rows * s->columns; i++)
        free(s->cells[i]);
    s->rows = 0;
}

void sheet_flush(struct sheet *s)
{
    if (!s->printed)
        print_line(s, s->titles);
    s->printed = true;
    for (size_t i = 0; i < s->rows; i++)
        print_line(s, (const char *const *)&s->cells[i * s->columns]);
    clear(s);
}

void sheet_done(struct sheet *s)
{
    clear(s);
    free(s->cells);
    s->cells = NULL;
}
