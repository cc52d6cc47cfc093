/* SPDX-License-Identifier: MIT
 * core/rules/suspect: a model of a job, its provider and its accounts on a clock of its own. Each world is
 * played to its end, and held against the truth: nobody told wrongly, every dead one told in time, every
 * living one fresh within minutes of being able to be, one alarm.
 */
#include <stdlib.h>
#include <string.h>

#include "core/rules/hash.h"
#include "core/rules/suspect.h"
#include "tests/unit/runner.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

enum { MOST = 2000, HOSTS = 2, SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR };
enum { OK, DEAD, CLIENT };

struct account {
    uint64_t hash;
    int64_t dead_from;           /* INT64_MAX: it lives */
    int64_t want_at, due_at;     /* when it wants a refresh; when it may be asked */
    int64_t refused_at, told_at; /* the first refusal while dead; the verdict */
    bool fine[HOSTS], told_wrongly, final;
    struct suspect s[HOSTS];
};

struct world {
    const char *name;
    size_t count;
    int64_t length, life, ahead; /* ahead: how long before the end it may be refreshed */
    size_t rate;                 /* requests a second */
    int (*answer)(struct world *w, struct account *a, int host);
    int64_t (*able_from)(const struct world *w);
    size_t hosts;
    int64_t step; /* it is run so often; 0 = at its own times */
    /* as it goes */
    int64_t now, alarms, holds, witness_at, asked, new_settings_at;
    struct suspect_job job[HOSTS];
    size_t others[HOSTS];
    uint64_t cursor[HOSTS];
    struct account list[MOST];
    /* found */
    int64_t wrong, untold, told_late, lag, taken_back;
};

static const struct suspect_limits usual = {10, 10 * MINUTE, MINUTE, HOUR, 15 * MINUTE, false};
static const int64_t START = 1700000000000;

static uint64_t roll(const struct world *w, const struct account *a)
{
    return hash_mix(a->hash ^ hash_mix((uint64_t)w->asked));
}

/* ---- what the decision asks about ---- */

struct view {
    const struct world *w;
    const struct account *self;
    int host;
};

static int64_t view_began(void *ctx, int64_t from, int64_t until)
{
    const struct view *v = ctx;
    int64_t n = 0;
    for (size_t i = 0; i < v->w->count; i++) {
        int64_t at = v->w->list[i].s[v->host].began_at;
        n += &v->w->list[i] != v->self && at && at >= from && at <= until;
    }
    return n;
}

static int64_t view_count(void *ctx)
{
    return view_began(ctx, 1, INT64_MAX);
}

static bool view_fine(void *ctx)
{
    const struct view *v = ctx;
    for (size_t i = 0; i < v->w->count; i++) {
        const struct account *a = &v->w->list[i];
        if (a != v->self && a->fine[v->host] && !a->s[v->host].began_at && !a->final)
            return true;
    }
    return false;
}

/* ---- one request ---- */

static void all_suspects_due(struct world *w, int host)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->list[i].s[host].began_at)
            w->list[i].due_at = w->list[i].s[host].next_at = w->now;
}

static void refreshed(struct world *w, struct account *a, int host)
{
    int64_t able = w->able_from ? w->able_from(w) : START;
    int64_t from = a->want_at > able ? a->want_at : able;
    if (w->now - from > w->lag)
        w->lag = w->now - from;
    w->taken_back += a->told_at != 0;
    a->told_at = 0;
    a->fine[host] = true;
    if (suspect_succeeded(&w->job[host], &a->s[host], w->now))
        all_suspects_due(w, host);
    a->want_at = a->due_at = w->now + w->life - w->ahead - (int64_t)(roll(w, a) % (uint64_t)(w->ahead / 2 + 1));
}

static void refused(struct world *w, struct account *a, int host, bool dead_grant)
{
    struct view v = {w, a, host};
    struct suspect_others o = {view_began, view_count, view_fine, &v};
    struct suspect_refusal r = {.dead_grant = dead_grant, .was_fine = a->fine[host] && !a->s[host].began_at};
    struct suspect_ruling ruling;
    suspect_refused(&usual, &w->job[host], &a->s[host], &r, &o, w->now, &ruling);
    w->alarms += ruling.alarm;
    w->holds += ruling.held;
    a->due_at = ruling.next_at;
    bool dead = w->now >= a->dead_from;
    if (dead && !a->refused_at)
        a->refused_at = w->now;
    if (ruling.verdict >= SUSPECT_NOT_FINAL && !a->told_at) {
        a->told_at = w->now;
        a->told_wrongly |= !dead;
    }
    a->final |= ruling.verdict == SUSPECT_FINAL;
    a->fine[host] = false;
    if (!ruling.wants_witness || w->now - w->witness_at < MINUTE)
        return;
    for (size_t i = 0; i < w->count; i++) {
        struct account *fine = &w->list[i];
        if (fine == a || !fine->fine[host] || fine->s[host].began_at || fine->due_at - w->life / 2 > w->now)
            continue;
        w->witness_at = w->now;
        fine->due_at = w->now; /* asked ahead of its time */
        return;
    }
}

static void ask(struct world *w, struct account *a, int host)
{
    w->asked++;
    w->now++; /* no two at once */
    int said = w->answer(w, a, host);
    if (said == OK)
        refreshed(w, a, host);
    else
        refused(w, a, host, said == DEAD);
}

/* ---- what the claims do ---- */

static bool suspected(const struct account *a, int host)
{
    return a->s[host].began_at != 0;
}

static bool may_be_asked(const struct world *w, const struct account *a, int host)
{
    bool fine = a->fine[host] && !suspected(a, host);
    return !a->final && a->due_at <= w->now && (!w->job[host].held_at || fine || a->s[host].told_at);
}

static size_t ask_some(struct world *w, int host, bool suspects, size_t most)
{
    size_t n = 0;
    for (size_t i = 0; i < w->count && n < most; i++) {
        struct account *a = &w->list[i];
        if (suspected(a, host) != suspects || !may_be_asked(w, a, host))
            continue;
        ask(w, a, host);
        n++;
    }
    return n;
}

/* Those due first in their order, whose head the dead may be; then the suspects. */
static size_t one_second(struct world *w, int host)
{
    size_t room = w->rate, least = suspect_share(room, w->others[host]);
    size_t suspects = ask_some(w, host, true, least);
    size_t others = ask_some(w, host, false, room - suspects);
    w->others[host] = suspects ? 0 : w->others[host] + others;
    return suspects + others + ask_some(w, host, true, room - suspects - others);
}

/* The next by hash; after the last one the round begins anew. */
static void canary(struct world *w, int host)
{
    struct account *next = NULL, *first = NULL;
    if (!suspect_canary(&w->job[host], w->now))
        return;
    for (size_t i = 0; i < w->count; i++) {
        struct account *a = &w->list[i];
        if (a->final || a->s[host].told_at || (a->fine[host] && !suspected(a, host)))
            continue;
        if (!first || a->hash < first->hash)
            first = a;
        if (a->hash > w->cursor[host] && (!next || a->hash < next->hash))
            next = a;
    }
    if (!next)
        next = first;
    if (!next)
        return;
    w->cursor[host] = next->hash;
    ask(w, next, host);
}

static int64_t next_event(const struct world *w)
{
    int64_t at = INT64_MAX;
    if (w->step)
        return w->now + w->step;
    if (w->new_settings_at)
        at = w->new_settings_at;
    for (size_t h = 0; h < w->hosts; h++) {
        if (w->job[h].held_at && w->job[h].canary_at < at)
            at = w->job[h].canary_at;
        for (size_t i = 0; i < w->count; i++) {
            const struct account *a = &w->list[i];
            bool waits = w->job[h].held_at && !(a->fine[h] && !suspected(a, (int)h)) && !a->s[h].told_at;
            if (!a->final && !waits && a->due_at < at)
                at = a->due_at;
        }
    }
    return at > w->now ? at : w->now + SECOND;
}

/* Under other settings everything begins anew. */
static void take_settings(struct world *w)
{
    if (!w->new_settings_at || w->now < w->new_settings_at)
        return;
    w->new_settings_at = 0;
    memset(w->job, 0, sizeof w->job);
    for (size_t i = 0; i < w->count; i++) {
        memset(w->list[i].s, 0, sizeof w->list[i].s);
        memset(w->list[i].fine, 0, sizeof w->list[i].fine);
        w->list[i].due_at = w->list[i].want_at;
    }
}

static void judge(struct world *w, int64_t told_within)
{
    for (size_t i = 0; i < w->count; i++) {
        const struct account *a = &w->list[i];
        int64_t able = w->able_from ? w->able_from(w) : START;
        int64_t from = a->want_at > able ? a->want_at : able;
        w->wrong += a->told_wrongly;
        if (w->now < a->dead_from && !a->told_at && w->now - from > w->lag)
            w->lag = w->now - from; /* it was not refreshed to the end */
        if (!a->refused_at)
            continue;
        w->untold += !a->told_at;
        w->told_late += a->told_at && a->told_at - a->refused_at > told_within;
    }
}

static void play(struct world *w, int64_t told_within)
{
    int64_t end = START + w->length;
    w->hosts = w->hosts ? w->hosts : 1;
    w->rate = w->rate ? w->rate : 20;
    for (w->now = START; w->now < end; w->now = next_event(w)) {
        take_settings(w);
        for (size_t h = 0; h < w->hosts; h++) {
            canary(w, (int)h);
            for (int more = 1; more && one_second(w, (int)h) && w->step;)
                more = 0;
        }
    }
    w->now = end;
    judge(w, told_within);
}

static struct world *world(const char *name, size_t count, size_t dead, int64_t length, int64_t life,
                           int (*answer)(struct world *, struct account *, int))
{
    struct world *w = calloc(1, sizeof *w);
    w->name = name;
    w->count = count;
    w->length = length;
    w->life = life;
    w->ahead = life / 6;
    w->answer = answer;
    for (size_t i = 0; i < count; i++)
        w->list[i] = (struct account){.hash = hash_mix(count * 7919 + i),
                                      .want_at = START,
                                      .due_at = START,
                                      .dead_from = i < dead ? START : INT64_MAX};
    return w;
}

/* All were refreshed before, under these settings. */
static void proved(struct world *w)
{
    w->job[0].success_at = START - MINUTE;
    for (size_t i = 0; i < w->count; i++)
        w->list[i].fine[0] = true;
}

struct expected {
    int64_t told_within, lag, alarms;
    int64_t wrong;
};

static void expect(struct world *w, const struct expected *x)
{
    play(w, x->told_within);
    bool good =
        w->wrong == x->wrong && w->untold == 0 && w->told_late == 0 && w->lag <= x->lag && w->alarms == x->alarms;
    if (!good || getenv("VERBOSE"))
        printf("  %s: wrong %ld, untold %ld, late %ld, lag %ld s of %ld, alarms %ld of %ld, holds %ld, asked %ld\n",
               w->name, (long)w->wrong, (long)w->untold, (long)w->told_late, (long)(w->lag / SECOND),
               (long)(x->lag / SECOND), (long)w->alarms, (long)x->alarms, (long)w->holds, (long)w->asked);
    CU_ASSERT(good);
    free(w);
}

/* ---- providers ---- */

static int truth(struct world *w, struct account *a, int host)
{
    (void)host;
    return w->now >= a->dead_from ? DEAD : OK;
}

static int outage(struct world *w, struct account *a, int host)
{
    return w->now < START + 3 * HOUR ? DEAD : truth(w, a, host);
}

static int64_t after_outage(const struct world *w)
{
    (void)w;
    return START + 3 * HOUR;
}

static int false_of(struct world *w, struct account *a, int host, uint64_t share)
{
    return roll(w, a) % 100 < share ? DEAD : truth(w, a, host);
}

static int half_false(struct world *w, struct account *a, int host)
{
    return false_of(w, a, host, 50);
}

static int nine_tenths_false(struct world *w, struct account *a, int host)
{
    return false_of(w, a, host, 90);
}

static int a_hundredth_false(struct world *w, struct account *a, int host)
{
    return false_of(w, a, host, 1);
}

/* The secret is wrong for the first three hours, then corrected. */
static int wrong_secret_client(struct world *w, struct account *a, int host)
{
    return w->new_settings_at ? CLIENT : truth(w, a, host);
}

static int wrong_secret_grant(struct world *w, struct account *a, int host)
{
    return w->new_settings_at ? DEAD : truth(w, a, host);
}

static int second_host_wrong_client(struct world *w, struct account *a, int host)
{
    return host ? CLIENT : truth(w, a, host);
}

static int second_host_wrong_grant(struct world *w, struct account *a, int host)
{
    return host ? DEAD : truth(w, a, host);
}

/* ---- the worlds ---- */

static void test_few(void)
{
    struct world *w = world("one record, new and dead", 1, 1, DAY, HOUR, truth);
    w->list[0].dead_from = START;
    play(w, DAY);
    CU_ASSERT(w->untold == 1 && w->wrong == 0 && w->holds == 0); /* these settings never worked: the operator's */
    free(w);
    w = world("one record, dead after a year", 1, 1, DAY, HOUR, truth);
    proved(w);
    w->job[0].success_at = START - HOUR;
    expect(w, &(struct expected){.told_within = 20 * MINUTE, .alarms = 1});
    w = world("three with one dead", 3, 1, DAY, HOUR, truth);
    expect(w, &(struct expected){.told_within = 2 * MINUTE, .lag = 5 * SECOND});
    w = world("three with one dead after a year", 3, 1, DAY, HOUR, truth);
    proved(w);
    expect(w, &(struct expected){.told_within = 2 * MINUTE, .lag = 5 * SECOND});
    w = world("ten twins of one dead token, two others", 3, 1, DAY, HOUR, truth); /* twins are one credential */
    proved(w);
    expect(w, &(struct expected){.told_within = 2 * MINUTE, .lag = 5 * SECOND});
}

static void test_many_dead(void)
{
    struct world *w = world("12 dead of 52 over a restart", 52, 12, DAY, HOUR, truth);
    proved(w);
    expect(w, &(struct expected){.told_within = 70 * MINUTE, .lag = 10 * SECOND});
    w = world("1,400 dead of 2,000 sorted first, all new", 2000, 1400, 8 * HOUR, 4 * HOUR, truth);
    expect(w, &(struct expected){.told_within = 2 * HOUR, .lag = 8 * MINUTE, .alarms = 1});
    w = world("the same proved", 2000, 1400, 8 * HOUR, 4 * HOUR, truth);
    proved(w);
    expect(w, &(struct expected){.told_within = 2 * HOUR, .lag = 3 * MINUTE});
    w = world("1,950 of 2,000, all new", 2000, 1950, 8 * HOUR, 4 * HOUR, truth);
    expect(w, &(struct expected){.told_within = 3 * HOUR, .lag = 5 * MINUTE, .alarms = 1});
    w = world("1,950 of 2,000 proved", 2000, 1950, 8 * HOUR, 4 * HOUR, truth);
    proved(w);
    expect(w, &(struct expected){.told_within = 3 * HOUR, .lag = 3 * MINUTE});
    w = world("24 invented beside 20", 44, 24, DAY, HOUR, truth);
    expect(w, &(struct expected){.told_within = 70 * MINUTE, .lag = 3 * MINUTE, .alarms = 1});
    w = world("30 of an old client beside 10", 40, 30, DAY, HOUR, truth);
    w->job[0].success_at = START - HOUR;
    for (size_t i = 30; i < 40; i++)
        w->list[i].fine[0] = true;
    expect(w, &(struct expected){.told_within = 70 * MINUTE, .lag = 5 * SECOND});
}

static void test_outage(void)
{
    static const size_t counts[] = {1000, 5, 1};
    for (size_t i = 0; i < COUNT(counts); i++) {
        struct world *w = world("everything refused for 3 h, then well", counts[i], 0, DAY, HOUR, outage);
        proved(w);
        w->able_from = after_outage;
        /* One alone cannot be told from one that is dead: it is told, and taken back. */
        expect(w, &(struct expected){.told_within = DAY,
                                     .lag = counts[i] == 1 ? HOUR : 20 * MINUTE,
                                     .alarms = 1,
                                     .wrong = counts[i] == 1});
    }
}

/* What is refused by chance is fresh when chance has it: the lag is a matter of the provider. */
static void test_false(void)
{
    struct world *w = world("a hundredth false, 1,000 with 5 dead", 1000, 5, 2 * DAY, HOUR, a_hundredth_false);
    proved(w);
    expect(w, &(struct expected){.told_within = 8 * HOUR, .lag = 15 * MINUTE});
    w = world("half false, 1,000 with 5 dead", 1000, 5, 2 * DAY, HOUR, half_false);
    proved(w);
    expect(w, &(struct expected){.told_within = DAY, .lag = 12 * HOUR});
    w = world("nine tenths false, 300 with 5 dead", 300, 5, 20 * (int64_t)DAY, 4 * HOUR, nine_tenths_false);
    proved(w);
    expect(w, &(struct expected){.told_within = 15 * (int64_t)DAY, .lag = 6 * DAY, .alarms = 1});
}

static void test_wrong_secret(void)
{
    int (*const said[])(struct world *, struct account *, int) = {wrong_secret_client, wrong_secret_grant};
    for (size_t i = 0; i < COUNT(said) * 2; i++) {
        struct world *w = world(i < 2 ? "wrong secret at first start" : "wrong secret after a year", 300, 0, DAY,
                                HOUR, said[i % 2]);
        w->able_from = after_outage;
        w->new_settings_at = START + 3 * HOUR;
        if (i >= 2) /* it was revoked: the settings are those that worked */
            proved(w);
        expect(w, &(struct expected){.told_within = DAY, .lag = MINUTE, .alarms = 1});
    }
}

static void test_hosts(void)
{
    int (*const said[])(struct world *, struct account *, int) = {second_host_wrong_client,
                                                                  second_host_wrong_grant};
    for (size_t i = 0; i < COUNT(said); i++) {
        struct world *w = world("two hosts with different secrets, 100 with 2 dead", 100, 2, DAY, HOUR, said[i]);
        w->hosts = 2;
        expect(w, &(struct expected){.told_within = 5 * MINUTE, .lag = 2 * MINUTE, .alarms = 1});
    }
}

static void test_slow(void)
{
    struct world *w =
        world("life 60 d, one attempt a day, 40 with 3 dead", 40, 3, 90 * (int64_t)DAY, 60 * (int64_t)DAY, truth);
    proved(w);
    w->step = DAY;
    expect(w, &(struct expected){.told_within = 2 * DAY, .lag = 2 * DAY + MINUTE});
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"one record, three", test_few},
        {"many dead ones starve nobody", test_many_dead},
        {"a provider that refuses everybody for a while", test_outage},
        {"answers that are false", test_false},
        {"a wrong secret", test_wrong_secret},
        {"two hosts", test_hosts},
        {"sixty days of life", test_slow},
        {NULL, NULL},
    };
    return run_tests("domain_suspect_worlds", tests);
}
