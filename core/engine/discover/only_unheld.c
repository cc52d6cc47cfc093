/* SPDX-License-Identifier: MIT
 * Values of `only` that no row of the job's table holds. Mistyped, they leave rows out that nobody misses until their
 * tokens have ended, so a sentence names them and what the rows hold instead.
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

enum { SENTENCE_MAX = 4096, SHOWN_MAX = 6, VALUE_MAX = 60, WORD_LEAST = 4 };

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

static const char *meant(const struct only_values *v, const char *value)
{
    for (size_t i = 0; i < v->other_count; i++)
        if (is_like(value, v->others[i]))
            return v->others[i];
    return NULL;
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

static void put_others(struct buf *b, const struct only_values *v)
{
    size_t shown = v->other_count < SHOWN_MAX ? v->other_count : SHOWN_MAX;
    if (v->secret) {
        buf_text(b, "; what they hold is not shown, for the column's name says that it may be secret");
        return;
    }
    if (!v->other_count)
        return;
    buf_text(b, "; they hold ");
    for (size_t i = 0; i < shown; i++) {
        buf_text(b, i ? ", " : "");
        put_value(b, v->others[i]);
    }
    if (v->many || v->other_count > shown)
        buf_text(b, " and others");
}

/* What one column of `only` leaves out; false: that is as it may be. */
static bool put_column(const struct job_config *c, const struct table *t, const struct only_values *v,
                       struct buf *b, bool *io_mistyped)
{
    const char *like = NULL, *typed = NULL;
    size_t missing = 0, expected = 0;
    bool any = false;
    for (size_t i = 0; v->only->values[i]; i++) {
        const char *value = v->only->values[i];
        any = any || v->held[i];
        if (v->held[i])
            continue;
        missing++;
        expected += is_written(c, v->only, value);
        if (!like && !v->secret && (like = meant(v, value)))
            typed = value;
    }
    bool doubtful = like || (!any && expected < missing);
    buf_printf(b, "%s%s = ", b->len ? "; and " : "", v->only->column);
    for (size_t i = 0, put = 0; v->only->values[i]; i++)
        if (!v->held[i]) {
            buf_text(b, put++ ? " or " : "");
            put_value(b, v->only->values[i]);
        }
    buf_printf(b, ", which no row of %s holds%s", t->name, any ? "" : ", so that the job has no record");
    put_others(b, v);
    if (like) {
        buf_printf(b, ". For ");
        put_value(b, typed);
        buf_text(b, ", perhaps ");
        put_value(b, like);
        buf_text(b, " is meant");
    }
    *io_mistyped = *io_mistyped || like;
    return doubtful;
}

int only_unheld_look(struct db *db, const struct job_config *c, const struct table *t, struct only_unheld *ret,
                     struct error *e)
{
    struct only_values *list = NULL;
    struct only_unheld found = {0};
    cleanup(buf_done) struct buf b = {0};
    size_t count = 0;
    int r = store_only_values(db, t, &list, &count, e);
    if (r < 0)
        return r;
    buf_init(&b, SENTENCE_MAX);
    for (size_t i = 0; i < count; i++)
        if (put_column(c, t, &list[i], &b, &found.mistyped))
            found.doubtful = true;
    if (count)
        found.text = xasprintf("job %s: `only` in %s asks for %s%s", c->job, c->file, b.data,
                               found.doubtful && !found.mistyped ? ". Correct it, if it is mistyped" : "");
    only_values_free(list, count);
    *ret = found;
    return 0;
}

void only_unheld_done(struct only_unheld *f)
{
    free(f->text);
    *f = (struct only_unheld){0};
}

void only_unheld_take(struct job *j, struct only_unheld *f)
{
    const char *why = f->doubtful ? f->text : NULL, *before = j->unheld.text;
    if (why && (!before || strcmp(why, before) != 0))
        log_line(LEVEL_WARNING, "the job's `only` may leave out rows that are meant", "job", j->config->job,
                 "reason", job_unnamed(j, why), NULL);
    if (!why)
        only_unheld_done(f);
    only_unheld_done(&j->unheld);
    j->unheld = *f;
    *f = (struct only_unheld){0};
}

const char *job_only_unheld(const struct job *j, bool *ret_mistyped)
{
    *ret_mistyped = j->unheld.mistyped;
    return j->unheld.text ? job_unnamed(j, j->unheld.text) : NULL;
}
