/* SPDX-License-Identifier: MIT
 * Prints tables: columns as wide as their widest cell, two blanks between them. On a terminal the columns are
 * fitted to its width, and what is cut ends in an ellipsis. Elsewhere only extremely long texts are cut, and one
 * very wide cell only moves the rest of its own line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/base/alloc.h"
#include "core/cli/cli.h"

enum {
    CELL_MAX = 4000,   /* bytes of one text, as in sentences */
    PADDED_MAX = 60,   /* a wider cell does not widen its column, where nothing is cut */
    ROWS_HELD = 10000, /* until the widths are fixed */
    LEAST = 5,
    GAP = 2,
    TIME_LONG = 23,
    TIME_SHORT = 16,
    TIME_LEAST = 11, /* "2026-11-21 14:00:00 UTC"; to the minutes; without the year */
    YEAR = 5,
    COLUMNS_MAX = 100000,
};

/* Columns of the terminal, 0 where there is none. */
static size_t terminal(void)
{
    const char *set = getenv("COLUMNS");
    struct winsize size = {0};

    if (!isatty(STDOUT_FILENO))
        return 0;
    unsigned long wanted = set && strspn(set, "0123456789") == strlen(set) ? strtoul(set, NULL, 10) : 0;
    if (wanted > 0 && wanted < COLUMNS_MAX)
        return wanted;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
}

void table_output_begin(struct table_output *s, const char *const *titles)
{
    memset(s, 0, sizeof *s);
    s->titles = titles;
    for (; titles[s->columns] && s->columns < SHEET_COLUMNS; s->columns++)
        s->width[s->columns] = strlen(titles[s->columns]);
}

static bool is_time(const char *cell)
{
    size_t len = strlen(cell);

    return len == TIME_LONG && strcmp(cell + len - 4, " UTC") == 0;
}

void table_output_row(struct table_output *s, char *const cells[])
{
    if (s->rows == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 64;
        s->cells = xrealloc(s->cells, s->cap * s->columns * sizeof *s->cells);
    }
    char **row = &s->cells[s->rows++ * s->columns];
    for (size_t i = 0; i < s->columns; i++) {
        row[i] = shown_text(cells[i] ? cells[i] : "-", CELL_MAX);
        free(cells[i]);
        s->times[i] = s->times[i] || is_time(row[i]);
        size_t n = shown_width(row[i]);
        if (!s->printed && n > s->width[i])
            s->width[i] = n;
    }
    if (s->rows >= ROWS_HELD)
        table_output_flush(s);
}

static size_t table_output_sum(const struct table_output *s)
{
    size_t n = 0;

    for (size_t i = 0; i < s->columns; i++)
        n += s->width[i] + (i + 1 < s->columns ? GAP : 0);
    return n;
}

/* How a column can be shortened: times by their parts. */
static size_t narrower(const struct table_output *s, size_t i)
{
    size_t n = s->width[i];

    if (s->times[i])
        return n > TIME_SHORT ? TIME_SHORT : n > TIME_LEAST ? TIME_LEAST : n;
    return n > LEAST ? n - 1 : n;
}

/* The widest is shortened first. */
static void table_output_fit(struct table_output *s)
{
    for (size_t i = 0; i < s->columns; i++)
        if (!s->terminal && i + 1 < s->columns && s->width[i] > PADDED_MAX)
            s->width[i] = PADDED_MAX;
    while (s->terminal && table_output_sum(s) > s->terminal) {
        size_t widest = s->columns;
        for (size_t i = 0; i < s->columns; i++)
            if (narrower(s, i) < s->width[i] && (widest == s->columns || s->width[i] > s->width[widest]))
                widest = i;
        if (widest == s->columns)
            return;
        s->width[widest] = narrower(s, widest);
    }
}

/* The last column is not padded: lines end with their text. */
static void print_line(const struct table_output *s, const char *const *cells)
{
    for (size_t i = 0; i < s->columns; i++) {
        char *text = xstrdup(cells[i]);
        if (is_time(text) && s->width[i] < TIME_LONG) {
            text[TIME_SHORT] = '\0';
            if (s->width[i] < TIME_SHORT)
                memmove(text, text + YEAR, TIME_SHORT - YEAR + 1);
        }
        if (s->terminal)
            shown_cut(text, s->width[i]);
        size_t n = shown_width(text);
        fputs(text, stdout);
        if (i + 1 < s->columns)
            printf("%*s", (int)(n < s->width[i] ? s->width[i] - n : 0) + GAP, "");
        free(text);
    }
    putchar('\n');
}

static void clear(struct table_output *s)
{
    for (size_t i = 0; i < s->rows * s->columns; i++)
        free(s->cells[i]);
    s->rows = 0;
}

void table_output_flush(struct table_output *s)
{
    if (!s->printed) {
        s->terminal = terminal();
        table_output_fit(s);
        print_line(s, s->titles);
    }
    s->printed = true;
    for (size_t i = 0; i < s->rows; i++)
        print_line(s, (const char *const *)&s->cells[i * s->columns]);
    clear(s);
}

void table_output_done(struct table_output *s)
{
    clear(s);
    free(s->cells);
    s->cells = NULL;
}
