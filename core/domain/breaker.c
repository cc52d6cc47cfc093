/* SPDX-License-Identifier: MIT
 * See breaker.h.
 */
#include "core/domain/breaker.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"

enum { ANSWERS_LEAST = 4096 };

void breaker_window_done(struct breaker_window *w)
{
    free(w->list);
    memset(w, 0, sizeof *w);
}

static void make_room(struct breaker_window *w, const struct breaker_limits *l)
{
    size_t most = l->records > ANSWERS_LEAST / 2 ? (size_t)l->records * 2 : ANSWERS_LEAST;
    if (w->count == most) {
        size_t drop = most / 2;
        memmove(w->list, w->list + drop, (w->count - drop) * sizeof *w->list);
        w->count -= drop;
        w->first += drop;
    }
    if (w->count < w->room)
        return;
    w->room = w->room ? w->room * 2 : 64;
    w->list = xrealloc(w->list, w->room * sizeof *w->list);
}

/* A record speaks once, whoever asks it how often. */
static void supersede(struct breaker_window *w, uint64_t record)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->list[i].record == record && w->list[i].sign != BREAKER_FINE)
            w->list[i].sign = 0;
}

uint64_t breaker_note(struct breaker_window *w, const struct breaker_limits *l,
                      const struct breaker_answer *a)
{
    make_room(w, l);
    if (a->sign != BREAKER_FINE)
        supersede(w, a->record);
    w->list[w->count] = *a;
    return w->first + w->count++;
}

static bool canary_failed(const struct breaker_window *w, int64_t from, int64_t *ret_since,
                          int64_t *ret_records)
{
    int64_t records = 0, since = 0;
    bool canary = false;
    for (size_t i = w->count; i-- > 0 && w->list[i].at >= from && w->list[i].sign != BREAKER_FINE;) {
        if (w->list[i].sign != BREAKER_MISCONFIGURED)
            continue;
        records++;
        canary = canary || w->list[i].was_ok;
        since = w->list[i].at;
    }
    if (records < 2 || !canary)
        return false;
    *ret_since = since;
    *ret_records = records;
    return true;
}

int breaker_find(const struct breaker_window *w, const struct breaker_limits *l, int64_t now,
                 int64_t *ret_since, int64_t *ret_records)
{
    int64_t refused = 0, answers = 0, from = now - l->within_s;
    if (canary_failed(w, from, ret_since, ret_records))
        return BREAKER_CANARY;
    for (size_t i = w->count; i-- > 0 && w->list[i].at >= from;) {
        if (!w->list[i].sign)
            continue;
        answers++;
        refused += w->list[i].sign != BREAKER_FINE;
        if (refused < l->records || refused * 100 < l->share * answers)
            continue;
        *ret_since = w->list[i].at;
        *ret_records = refused;
        return BREAKER_MANY;
    }
    return BREAKER_CALM;
}

bool breaker_disproved(const struct breaker_window *w, const struct breaker_limits *l, uint64_t number)
{
    int64_t refused = 0, answers = 0;
    for (size_t i = number > w->first ? (size_t)(number - w->first) : 0; i < w->count; i++) {
        answers += w->list[i].sign != 0;
        refused += w->list[i].sign > BREAKER_FINE;
    }
    return refused * 100 < l->share * answers;
}
