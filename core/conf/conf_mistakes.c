/* SPDX-License-Identifier: MIT
 * Collects mistakes and warnings, and checks for unknown settings, with a suggestion of what was meant.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/utf8.h"
#include "core/conf/conf.h"

enum { SENTENCE_MAX = 768, NAME_MAX_COMPARED = 64 };

struct sentences {
    size_t count;
    char *texts[CONF_MISTAKES_MAX];
};

struct conf_mistakes {
    struct sentences mistakes, warnings;
};

struct conf_mistakes *conf_mistakes_new(void)
{
    return xcalloc(1, sizeof(struct conf_mistakes));
}

static size_t mistakes_kept(const struct sentences *s)
{
    return s->count < CONF_MISTAKES_MAX ? s->count : CONF_MISTAKES_MAX;
}

static void sentences_free(struct sentences *s)
{
    for (size_t i = 0; i < mistakes_kept(s); i++)
        free(s->texts[i]);
}

void conf_mistakes_free(struct conf_mistakes *m)
{
    if (m == NULL)
        return;
    sentences_free(&m->mistakes);
    sentences_free(&m->warnings);
    free(m);
}

void conf_mistakes_free_p(struct conf_mistakes **m)
{
    conf_mistakes_free(*m);
}

size_t conf_mistakes_count(const struct conf_mistakes *m)
{
    return m->mistakes.count;
}

const char *conf_mistakes_at(const struct conf_mistakes *m, size_t index)
{
    return index < mistakes_kept(&m->mistakes) ? m->mistakes.texts[index] : NULL;
}

const char *conf_warnings_at(const struct conf_mistakes *m, size_t index)
{
    return index < mistakes_kept(&m->warnings) ? m->warnings.texts[index] : NULL;
}

static void __attribute__((format(printf, 4, 0)))
mistakes_note(struct sentences *to, const struct conf_item *item, const char *file, const char *fmt, va_list ap)
{
    char sentence[SENTENCE_MAX];

    if (to->count++ >= CONF_MISTAKES_MAX)
        return;
    vsnprintf(sentence, sizeof sentence, fmt, ap);
    if (item != NULL)
        file = conf_file(item);
    char *text = item != NULL   ? xasprintf("%s:%u: %s", file, conf_line(item), sentence)
                 : file != NULL ? xasprintf("%s: %s", file, sentence)
                                : xstrdup(sentence);
    utf8_clean(text, strlen(text));
    to->texts[to->count - 1] = text;
}

void conf_mistake(struct conf_mistakes *m, const struct conf_item *item, const char *file, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    mistakes_note(&m->mistakes, item, file, fmt, ap);
    va_end(ap);
}

void conf_warning(struct conf_mistakes *m, const struct conf_item *item, const char *file, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    mistakes_note(&m->warnings, item, file, fmt, ap);
    va_end(ap);
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* The edit distance: how many letters must be added, dropped, changed or swapped with their neighbour. */
static unsigned distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    unsigned rows[3][NAME_MAX_COMPARED + 1];
    unsigned *before = rows[0], *last = rows[1], *now = rows[2];

    for (size_t j = 0; j <= b_len; j++)
        last[j] = before[j] = (unsigned)j;
    for (size_t i = 1; i <= a_len; i++) {
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= b_len; j++) {
            now[j] = least(least(last[j], now[j - 1]) + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = least(now[j], before[j - 2] + 1);
        }
        unsigned *oldest = before;
        before = last;
        last = now;
        now = oldest;
    }
    return last[b_len];
}

const char *conf_nearest(const char *name, const char *const *known)
{
    const char *nearest = NULL;
    size_t len = strlen(name);
    unsigned best = len < 4 ? 2 : len < 9 ? 3 : 4; /* a suggestion must be nearer than this */

    if (len == 0 || len > NAME_MAX_COMPARED)
        return NULL;
    for (size_t i = 0; known[i] != NULL; i++) {
        size_t known_len = strlen(known[i]);
        if (known_len > NAME_MAX_COMPARED)
            continue;
        unsigned d = distance(name, len, known[i], known_len);
        if (d < best) {
            best = d;
            nearest = known[i];
        }
    }
    return nearest;
}

static bool mistakes_is_known(const char *name, const char *const *known)
{
    for (size_t i = 0; known[i] != NULL; i++)
        if (strcmp(name, known[i]) == 0)
            return true;
    return false;
}

void conf_refuse_unknown(const struct conf_item *group, const char *const *known, struct conf_mistakes *m)
{
    for (size_t i = 0; i < conf_count(group); i++) {
        const struct conf_item *item = conf_at(group, i);
        const char *name = conf_name(item);
        if (name == NULL || mistakes_is_known(name, known))
            continue;
        const char *nearest = conf_nearest(name, known);
        cleanup(free_p) char *where = conf_name(group) ? xasprintf(" in '%s'", conf_name(group)) : xstrdup("");
        if (nearest != NULL)
            conf_mistake(m, item, NULL, "unknown setting '%s'%s; did you mean '%s'?", name, where, nearest);
        else
            conf_mistake(m, item, NULL, "unknown setting '%s'%s", name, where);
    }
}
