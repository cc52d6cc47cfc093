/* SPDX-License-Identifier: MIT
 * Limits from providers' answers; see tokens.h.
 */
#include "core/engine/tokens/tokens.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/map.h"
#include "core/engine/tokens/internal.h"

enum { NOTES_MAX = 10000, REFUSED_MS = 60000 };

struct note {
    int64_t slow_until_ms, limited_until_ms, refused_until_ms; /* clock_boot_ms(); 0 = not */
};

struct rate_limits {
    struct map *by_name;
};

struct rate_limits *rate_limits_new(void)
{
    struct rate_limits *a = xcalloc(1, sizeof *a);
    a->by_name = map_new();
    return a;
}

void rate_limits_free(struct rate_limits *a)
{
    if (!a)
        return;
    map_free(a->by_name, free);
    free(a);
}

static char *rate_limits_name_of(const struct job *j, const char *key)
{
    return xasprintf("%s\n%s", j->table ? j->table->source : j->config->job, key);
}

static const struct note *rate_limits_find(const struct job *j, const char *key)
{
    cleanup(free_p) char *name = rate_limits_name_of(j, key);
    return map_get(j->engine->rate_limits->by_name, name);
}

/* The oldest entry is evicted. */
static void rate_limits_make_room(struct map *m)
{
    const char *oldest;
    size_t cursor = 0;
    void *value;
    if (map_count(m) < NOTES_MAX || !map_next(m, &cursor, &oldest, &value))
        return;
    cleanup(free_p) char *gone = xstrdup(oldest);
    free(map_remove(m, gone));
}

static void rate_limits_put(struct job *j, const char *key, struct note n)
{
    struct map *m = j->engine->rate_limits->by_name;
    cleanup(free_p) char *name = rate_limits_name_of(j, key);
    int64_t now = clock_boot_ms();

    free(map_remove(m, name));
    if (n.slow_until_ms <= now && n.refused_until_ms <= now)
        return;
    rate_limits_make_room(m);
    map_put(m, name, xmemdup(&n, sizeof n));
}

static struct note note_of(const struct job *j, const char *key)
{
    const struct note *n = rate_limits_find(j, key);
    return n ? *n : (struct note){0};
}

/* The values of a record that may be logged, without its secrets. */
static struct record_view view_of(const struct job *j, const char *key)
{
    const struct token_entry *t = j->table ? tokens_get(j->engine->tokens, j->table->source, key) : NULL;
    struct record_view v = {.key = key};
    if (t) {
        v.refreshed_at = t->due.ok_at;
        v.first_seen = t->first_seen;
        v.life = t->due.life;
        v.hidden = secret_text(t->token);
    }
    return v;
}

void rate_limits_take(struct job *j, const char *key, const struct http_reply *reply, struct answer_says *ret)
{
    struct record_view v = view_of(j, key);
    struct note n = note_of(j, key);

    if (j->instance)
        instance_answer(j->instance, &v, reply, clock_now(), ret);
    if (ret->slow_for <= 0)
        return;
    int64_t until = clock_boot_ms() + ret->slow_for * 1000;
    if (until > n.slow_until_ms)
        n.slow_until_ms = until;
    if (reply->status >= 300)
        n.limited_until_ms = until;
    rate_limits_put(j, key, n);
}

static int64_t left_ms(int64_t until)
{
    int64_t left = until - clock_boot_ms();
    return left > 0 ? left : 0;
}

int64_t rate_limits_wait_ms(const struct job *j, const char *key)
{
    return left_ms(note_of(j, key).slow_until_ms);
}

int64_t rate_limits_limited_ms(const struct job *j, const char *key)
{
    return left_ms(note_of(j, key).limited_until_ms);
}

void rate_limits_refused_again(struct job *j, const char *key)
{
    struct note n = note_of(j, key);
    n.refused_until_ms = clock_boot_ms() + REFUSED_MS;
    rate_limits_put(j, key, n);
}

bool rate_limits_refused_lately(const struct job *j, const char *key)
{
    return note_of(j, key).refused_until_ms > clock_boot_ms();
}
