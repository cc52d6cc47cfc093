/* SPDX-License-Identifier: MIT
 * Values of `only` that no row of the job's table holds. Mistyped, they leave rows out that nobody misses until their
 * tokens have ended, so a sentence names them. What rows hold is shown only as far as it tells of no person.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/base/log.h"
#include "core/base/utf8.h"
#include "core/engine/discover/discover.h"
#include "core/store/only_values.h"

enum { SENTENCE_MAX = 4096, VALUE_MAX = 60, WORD_LEAST = 4, WORD_MOST = 24, HELD_LEAST = 5 };

static int small(char c)
{
    return tolower((unsigned char)c);
}

/* One letter more, less, other, or swapped with its neighbour; or only written in other capitals. Digits count
 * things: "plan2" is not "plan3" mistyped. */
static bool is_like(const char *a, const char *b)
{
    size_t m = strlen(a), n = strlen(b), from = 0;
    while (from < m && from < n && small(a[from]) == small(b[from]))
        from++;
    while (m > from && n > from && small(a[m - 1]) == small(b[n - 1])) {
        m--;
        n--;
    }
    size_t x = m - from, y = n - from;
    bool swapped = x == 2 && y == 2 && small(a[from]) == small(b[from + 1]) && small(a[from + 1]) == small(b[from]);
    if (x == 0 && y == 0)
        return true;
    if ((x > 1 || y > 1) && !swapped)
        return false;
    return strlen(a) >= WORD_LEAST && !(x && isdigit((unsigned char)a[from])) &&
           !(y && isdigit((unsigned char)b[from]));
}

static const struct only_other *meant(const struct only_values *v, const char *value)
{
    for (size_t i = 0; i < v->other_count; i++)
        if (is_like(value, v->others[i].value))
            return &v->others[i];
    return NULL;
}

/* A word for a kind of rows: several rows hold it, and the column has few values in all. Names, addresses and numbers
 * of people are not like that. */
static bool may_be_shown(const struct only_values *v, const struct only_other *o)
{
    static const char word[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    size_t len = strlen(o->value);
    return !v->secret && !v->many && o->rows >= HELD_LEAST && len <= WORD_MOST &&
           isalpha((unsigned char)*o->value) && strspn(o->value, word) == len;
}

/* Rows hold it at times: renewd itself writes it. */
static bool is_written(const struct job_config *c, const struct only *o, const char *value)
{
    for (size_t i = 0; o->is_status && i < c->status_value_count; i++)
        if (strcmp(c->status_values[i].value, value) == 0)
            return true;
    return false;
}

static void put_value(struct buf *b, const char *value)
{
    cleanup(free_p) char *shown = xstrdup(value);
    utf8_clean(shown, VALUE_MAX);
    buf_printf(b, "\"%s\"", shown);
}

static void put_values(struct buf *b, const struct only_values *v, enum only_held which)
{
    for (size_t i = 0, put = 0; v->only->values[i]; i++)
        if (v->held[i] == which) {
            buf_text(b, put++ ? " or " : "");
            put_value(b, v->only->values[i]);
        }
}

static void put_like(struct buf *b, const struct only_values *v, const char *typed, const struct only_other *like)
{
    bool show = may_be_shown(v, like);
    buf_text(b, ". For ");
    put_value(b, typed);
    buf_text(b, show ? ", perhaps " : ", rows hold a value that differs in one letter or its capitals");
    if (show) {
        put_value(b, like->value);
        buf_text(b, " is meant");
    }
}

/* What one column of `only` leaves out; false: that is as it may be. */
static bool put_missing(const struct job_config *c, const struct table *t, const struct only_values *v,
                        struct buf *b, bool *io_mistyped)
{
    const struct only_other *like = NULL;
    const char *typed = NULL;
    size_t missing = 0, expected = 0;
    bool any = false;
    for (size_t i = 0; v->only->values[i]; i++) {
        const char *value = v->only->values[i];
        any = any || v->held[i] != ONLY_NOT_HELD;
        if (v->held[i] != ONLY_NOT_HELD)
            continue;
        missing++;
        expected += is_written(c, v->only, value);
        if (!like && (like = meant(v, value)))
            typed = value;
    }
    buf_printf(b, "%s%s = ", b->len ? "; and " : "", v->only->column);
    put_values(b, v, ONLY_NOT_HELD);
    buf_printf(b, ", which no row of %s holds%s", t->name, any ? "" : ", so that the job has no record");
    if (like)
        put_like(b, v, typed, like);
    *io_mistyped = *io_mistyped || like;
    return like || (!any && expected < missing);
}

static char *say_unknown(const struct job_config *c, const struct table *t, const struct buf *columns)
{
    return columns->len
               ? xasprintf(
                     "job %s: whether rows of %s hold %s, as `only` in %s asks, was not found out: the table is "
                     "large, and no index of that column answers in a moment",
                     c->job, t->name, columns->data, c->file)
               : NULL;
}

int only_unheld_look(struct db *db, const struct job_config *c, const struct table *t, struct only_unheld *ret,
                     struct error *e)
{
    struct only_values *list = NULL;
    struct only_unheld found = {0};
    cleanup(buf_done) struct buf b = {0}, unknown = {0};
    size_t count = 0;
    int r = store_only_values(db, t, &list, &count, e);
    if (r < 0)
        return r;
    buf_init(&b, SENTENCE_MAX);
    buf_init(&unknown, SENTENCE_MAX);
    for (size_t i = 0; i < count; i++) {
        if (list[i].missing && put_missing(c, t, &list[i], &b, &found.mistyped))
            found.doubtful = true;
        if (list[i].not_known) {
            buf_printf(&unknown, "%s%s = ", unknown.len ? " and " : "", list[i].only->column);
            put_values(&unknown, &list[i], ONLY_NOT_KNOWN);
        }
    }
    if (b.len)
        found.text = xasprintf("job %s: `only` in %s asks for %s%s", c->job, c->file, b.data,
                               found.doubtful && !found.mistyped ? ". Correct it, if it is mistyped" : "");
    found.unknown = say_unknown(c, t, &unknown);
    only_values_free(list, count);
    *ret = found;
    return 0;
}

void only_unheld_done(struct only_unheld *f)
{
    free(f->text);
    free(f->unknown);
    *f = (struct only_unheld){0};
}

/* What could not be looked for takes nothing back that was known. */
static void take_unknown(struct job *j, struct only_unheld *f)
{
    struct only_unheld *known = &j->unheld;
    if (!known->unknown)
        log_line(LEVEL_INFO, "the job's `only` could not be checked against all rows", "job", j->config->job,
                 "reason", job_unnamed(j, f->unknown), NULL);
    if (f->doubtful || !known->text)
        return;
    free(f->text);
    f->text = known->text;
    f->doubtful = known->doubtful;
    f->mistyped = known->mistyped;
    known->text = NULL;
}

void only_unheld_take(struct job *j, struct only_unheld *f)
{
    const char *before = j->unheld.text;
    if (f->doubtful && (!before || strcmp(f->text, before) != 0))
        log_line(LEVEL_WARNING, "the job's `only` may leave out rows that are meant", "job", j->config->job,
                 "reason", job_unnamed(j, f->text), NULL);
    if (!f->doubtful) {
        free(f->text);
        f->text = NULL;
        f->mistyped = false;
    }
    if (f->unknown)
        take_unknown(j, f);
    only_unheld_done(&j->unheld);
    j->unheld = *f;
    *f = (struct only_unheld){0};
}

const char *job_only_unheld(const struct job *j, bool *ret_mistyped)
{
    *ret_mistyped = j->unheld.mistyped;
    return j->unheld.text ? job_unnamed(j, j->unheld.text) : NULL;
}
