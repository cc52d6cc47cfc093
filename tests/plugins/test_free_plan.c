/* SPDX-License-Identifier: MIT
 * free_plan_alloc.so without a database: which period follows, through months of every length, and
 * which effects are recorded in which order.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/time/calendar.h"
#include "core/time/timestamp.h"
#include "tests/plugins/fake_services.h"
#include "tests/unit/runner.h"

struct walk {
    struct fake f;
    char memo[48];
    int64_t start, end;
};

static int64_t at(const char *text)
{
    int64_t time = 0;

    CU_ASSERT_EQUAL_FATAL(timestamp_parse(text, &time, NULL), 0);
    return time;
}

static void begin(struct walk *w, const char *catch_up, const char *start, const char *end)
{
    struct fake *f = &w->f;

    memset(w, 0, sizeof(*w));
    fake_init(f);
    fake_setting(f, "plan_name", "Free", 0);
    fake_setting(f, "plan_item", "ITEM", 0);
    fake_setting(f, "transaction_type", "CREDIT", 0);
    fake_setting(f, "performed_by", "somebody", 0);
    fake_setting(f, "catch_up", catch_up, 0);
    fake_slot(f, "user_id", "u1");
    fake_slot(f, "plan_id", "p1");
    fake_slot(f, "tokens_to_award", "100000");
    w->start = start ? at(start) : 0;
    w->end = at(end);
    fake_time(f, "current_period_start", w->start);
    fake_time(f, "current_period_end", w->end);
    CU_ASSERT_EQUAL_FATAL(fake_open(f), 0);
}

/* One refresh; its effects become the record's state, as a commit would have it. */
static void step(struct walk *w, int64_t now)
{
    struct fake *f = &w->f;
    long long start = 0, end = 0;

    CU_ASSERT_EQUAL_FATAL(fake_ask(f, now), RENEWD_DONE);
    const char *memo = strstr(f->effects, "memo=");
    CU_ASSERT_EQUAL_FATAL(sscanf(f->effects, "run advance 1 current_period_end %lld %lld", &start, &end), 2);
    CU_ASSERT_PTR_NOT_NULL_FATAL(memo);
    snprintf(w->memo, sizeof(w->memo), "%.*s", (int)strcspn(memo + 5, "\n"), memo + 5);
    f->record.memo = w->memo;
    f->record.memo_length = strlen(w->memo);
    w->start = start;
    w->end = end;
    fake_time(f, "current_period_start", w->start);
    fake_time(f, "current_period_end", w->end);
}

static void effects_are(const struct walk *w, const char *text)
{
    if (strcmp(w->f.effects, text) != 0)
        printf("# %s# instead of\n# %s", w->f.effects, text);
    CU_ASSERT_STRING_EQUAL(w->f.effects, text);
}

/* The period first, then the key, then what the key guards. */
static void test_effects(void)
{
    struct walk w;

    begin(&w, "each", "2026-01-31T00:00:00Z", "2026-02-28T00:00:00Z");
    step(&w, at("2026-03-01T00:00:00Z"));
    effects_are(&w, "run advance 1 current_period_end 1772236800 1774915200\n"
                    "memo=day 31\n"
                    "once 1-p1-2026-02-28T00:00:00Z\n"
                    "run credit user_id 100000\n"
                    "run transaction user_id CREDIT 100000 somebody 1-p1-2026-02-28T00:00:00Z "
                    "1772323200\n");
    fake_close(&w.f);
}

static void test_window(void)
{
    struct renewd_needs_refresh_out out;
    struct walk w;

    begin(&w, "each", NULL, "2026-02-28T00:00:00Z");
    CU_ASSERT_EQUAL(fake_window(&w.f, 5, 0, &out), 0);
    CU_ASSERT(out.earliest == w.end && out.preferred == w.end && out.latest == w.end);
    CU_ASSERT_EQUAL(out.death, 0);
    w.f.record.first_seen = 77;
    fake_time(&w.f, "current_period_end", 0); /* broken: heard of, once a while */
    CU_ASSERT_EQUAL(fake_window(&w.f, 100, 0, &out), 0);
    CU_ASSERT(out.preferred == 77 && out.latest == 77);
    fake_close(&w.f);
}

/* From every anchor through nine years: the ends are where it wants them, every month once. */
static void test_anchors(void)
{
    for (int day = 28; day <= 31; day++) {
        struct walk w;
        char start[32];
        snprintf(start, sizeof(start), "2023-01-%02dT13:14:15Z", day);
        begin(&w, "each", start, "2023-02-28T13:14:15Z");
        int64_t first = at(start);
        for (int month = 2; month <= 110; month++) {
            int64_t before = w.end;
            step(&w, at("2034-01-01T00:00:00Z"));
            CU_ASSERT_EQUAL(w.start, before);
            CU_ASSERT_EQUAL(w.end, calendar_add_months(first, day, month));
        }
        fake_close(&w.f);
    }
}

static void test_leap_year(void)
{
    struct walk w;

    begin(&w, "each", "2024-01-31T00:00:00Z", "2024-02-29T00:00:00Z");
    step(&w, at("2024-07-01T00:00:00Z"));
    CU_ASSERT_EQUAL(w.end, at("2024-03-31T00:00:00Z"));
    step(&w, at("2024-07-01T00:00:00Z"));
    CU_ASSERT_EQUAL(w.end, at("2024-04-30T00:00:00Z"));
    fake_close(&w.f);
    begin(&w, "each", "2024-02-29T00:00:00Z", "2024-03-29T00:00:00Z");
    for (int i = 0; i < 11; i++)
        step(&w, at("2026-01-01T00:00:00Z"));
    CU_ASSERT_EQUAL(w.end, at("2025-02-28T00:00:00Z"));
    step(&w, at("2026-01-01T00:00:00Z"));
    CU_ASSERT_EQUAL(w.end, at("2025-03-29T00:00:00Z"));
    fake_close(&w.f);
}

/* The anchor of a period that nobody has seen before. */
static void test_first_seen(void)
{
    static const struct {
        const char *start, *end, *next;
    } cases[] = {
        {NULL, "2026-04-15T00:00:00Z", "2026-05-15T00:00:00Z"},
        {"2026-01-30T00:00:00Z", "2026-02-28T00:00:00Z", "2026-03-30T00:00:00Z"},
        {"2026-02-28T00:00:00Z", "2026-03-28T00:00:00Z", "2026-04-28T00:00:00Z"},
        {"2026-02-28T00:00:00Z", "2026-03-31T00:00:00Z", "2026-04-30T00:00:00Z"},
        {"2026-01-31T00:00:00Z", "2026-03-03T00:00:00Z", "2026-04-03T00:00:00Z"}, /* overflowed */
        {"2026-04-01T00:00:00Z", "2026-04-30T00:00:00Z", "2026-05-30T00:00:00Z"},
        {"2026-06-30T00:00:00Z", "2026-02-28T00:00:00Z", "2026-03-28T00:00:00Z"}, /* senseless */
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct walk w;
        begin(&w, "each", cases[i].start, cases[i].end);
        step(&w, at("2027-01-01T00:00:00Z"));
        CU_ASSERT_EQUAL(w.end, at(cases[i].next));
        fake_close(&w.f);
    }
}

/* What was worked out stands, unless somebody has moved the period to another day. */
static void test_memo(void)
{
    struct walk w;

    begin(&w, "each", "2026-01-31T00:00:00Z", "2026-02-28T00:00:00Z");
    step(&w, at("2026-12-01T00:00:00Z"));
    /* Somebody's work: it shows no trace of day 31. */
    fake_time(&w.f, "current_period_start", at("2026-02-28T00:00:00Z"));
    fake_time(&w.f, "current_period_end", at("2026-04-30T00:00:00Z"));
    step(&w, at("2026-12-01T00:00:00Z"));
    CU_ASSERT_EQUAL(w.end, at("2026-05-31T00:00:00Z"));
    fake_time(&w.f, "current_period_start", at("2026-04-12T00:00:00Z"));
    fake_time(&w.f, "current_period_end", at("2026-05-12T00:00:00Z"));
    step(&w, at("2026-12-01T00:00:00Z"));
    CU_ASSERT_EQUAL(w.end, at("2026-06-12T00:00:00Z"));
    fake_close(&w.f);
}

static void test_latest(void)
{
    struct walk w;

    begin(&w, "latest", "2026-01-31T00:00:00Z", "2026-02-28T00:00:00Z");
    step(&w, at("2026-06-15T00:00:00Z"));
    CU_ASSERT_EQUAL(w.start, at("2026-05-31T00:00:00Z"));
    CU_ASSERT_EQUAL(w.end, at("2026-06-30T00:00:00Z"));
    CU_ASSERT_PTR_NOT_NULL(strstr(w.f.effects, "once 1-p1-2026-05-31T00:00:00Z\n"));
    fake_close(&w.f);
    begin(&w, "latest", "2026-01-31T00:00:00Z", "2026-02-28T00:00:00Z");
    step(&w, at("2026-02-28T00:00:00Z")); /* nothing was missed: as each */
    CU_ASSERT_EQUAL(w.start, at("2026-02-28T00:00:00Z"));
    CU_ASSERT_EQUAL(w.end, at("2026-03-31T00:00:00Z"));
    fake_close(&w.f);
}

static void fails_with(struct walk *w, const char *slot, const char *value, int outcome, const char *code)
{
    fake_slot(&w->f, slot, value);
    CU_ASSERT_EQUAL(fake_ask(&w->f, at("2027-01-01T00:00:00Z")), RENEWD_FAILED);
    CU_ASSERT_EQUAL(w->f.outcome, outcome);
    CU_ASSERT_STRING_EQUAL(w->f.code, code);
    CU_ASSERT_STRING_EQUAL(w->f.effects, "");
}

static void test_broken(void)
{
    static const char *const amounts[] = {NULL, "0", "0.00", "-5", "1e5", "5 ", ".5", "x"};
    struct walk w;

    begin(&w, "each", NULL, "2026-04-15T00:00:00Z");
    for (size_t i = 0; i < sizeof(amounts) / sizeof(amounts[0]); i++)
        fails_with(&w, "tokens_to_award", amounts[i], RENEWD_TRANSIENT, "no_award");
    fake_slot(&w.f, "tokens_to_award", "0.5");
    CU_ASSERT_EQUAL(fake_ask(&w.f, at("2027-01-01T00:00:00Z")), RENEWD_DONE);
    fails_with(&w, "plan_name", "Pro", RENEWD_MISCONFIGURED, "plan");
    fake_slot(&w.f, "plan_name", "Free");
    fails_with(&w, "item_id_internal", "OTHER", RENEWD_MISCONFIGURED, "plan");
    fake_slot(&w.f, "item_id_internal", "ITEM");
    fails_with(&w, "user_id", NULL, RENEWD_TRANSIENT, "no_user");
    fake_slot(&w.f, "user_id", "u1");
    fake_time(&w.f, "current_period_end", at("2027-01-01T00:00:01Z"));
    CU_ASSERT_EQUAL(fake_ask(&w.f, at("2027-01-01T00:00:00Z")), RENEWD_FAILED);
    CU_ASSERT_STRING_EQUAL(w.f.code, "too_early");
    fake_time(&w.f, "current_period_end", 0);
    fails_with(&w, "current_period_start", NULL, RENEWD_TRANSIENT, "bad_period");
    fake_close(&w.f);
}

/* The ends of a row's periods after so many steps. */
static void walk_is(const char *zone, const char *period, const char *start, const char *end,
                    const char *const *ends)
{
    struct walk w;

    begin(&w, "each", start, end);
    fake_setting(&w.f, "period", period, 0);
    fake_slot(&w.f, "timezone", zone);
    fake_close(&w.f);
    CU_ASSERT_EQUAL_FATAL(fake_open(&w.f), 0);
    for (; *ends; ends++) {
        step(&w, at("2034-01-01T00:00:00Z"));
        CU_ASSERT_EQUAL(w.end, at(*ends));
        if (w.end != at(*ends))
            printf("# %s %s: not %s\n", zone ? zone : "UTC", start, *ends);
    }
    fake_close(&w.f);
}

/* Months are those of the wall there. The ends are PostgreSQL's: (local + n * interval '1 month') at time zone. */
static void test_zones(void)
{
    static const char *const kolkata[] = {"2026-04-30T18:30:00Z", "2026-05-31T18:30:00Z", "2026-06-30T18:30:00Z",
                                          "2026-07-31T18:30:00Z", "2026-08-31T18:30:00Z", NULL};
    static const char *const auckland[] = {"2025-08-31T12:00:00Z", "2025-09-30T11:00:00Z", "2025-10-31T11:00:00Z",
                                           NULL};
    static const char *const asuncion[] = {"2017-10-01T04:00:00Z", "2017-11-01T03:00:00Z", "2017-12-01T03:00:00Z",
                                           NULL};
    static const char *const new_york[] = {"2026-03-08T07:30:00Z", "2026-04-08T06:30:00Z", NULL};
    static const char *const twice[] = {"2026-11-01T06:30:00Z", "2026-12-01T06:30:00Z", NULL};
    static const char *const berlin[] = {"2026-02-28T22:30:00Z", "2026-03-31T21:30:00Z", "2026-04-30T21:30:00Z",
                                         NULL};
    static const char *const utc[] = {"2026-04-30T18:30:00Z", "2026-05-31T18:30:00Z", NULL};

    walk_is("Asia/Kolkata", NULL, "2026-02-28T18:30:00Z", "2026-03-31T18:30:00Z", kolkata);
    walk_is("Pacific/Auckland", NULL, "2025-06-30T12:00:00Z", "2025-07-31T12:00:00Z", auckland);
    /* Midnight of 1 October 2017 was skipped there; that of 1 November is midnight again. */
    walk_is("America/Asuncion", NULL, "2017-08-01T04:00:00Z", "2017-09-01T04:00:00Z", asuncion);
    walk_is("America/New_York", NULL, "2026-01-08T07:30:00Z", "2026-02-08T07:30:00Z", new_york);
    walk_is("America/New_York", NULL, "2026-09-01T05:30:00Z", "2026-10-01T05:30:00Z", twice);
    walk_is("Europe/Berlin", NULL, "2025-12-31T22:30:00Z", "2026-01-31T22:30:00Z", berlin);
    walk_is(NULL, NULL, "2026-02-28T18:30:00Z", "2026-03-31T18:30:00Z", utc);
}

static void test_zone_unknown(void)
{
    struct walk w;

    begin(&w, "each", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z");
    fake_slot(&w.f, "timezone", "Asia/Nowhere");
    CU_ASSERT_EQUAL(fake_ask(&w.f, at("2026-03-01T00:00:00Z")), RENEWD_FAILED);
    CU_ASSERT_STRING_EQUAL(w.f.code, "bad_zone");
    fake_close(&w.f);
}

static void test_as_the_row(void)
{
    static const char *const year[] = {"2026-02-28T00:00:00Z", "2027-02-28T00:00:00Z", "2028-02-29T00:00:00Z",
                                       NULL};
    static const char *const quarter[] = {"2026-05-30T00:00:00Z", "2026-08-30T00:00:00Z", NULL};
    static const char *const fortnight[] = {"2026-01-29T00:00:00Z", "2026-02-12T00:00:00Z", NULL};
    static const char *const month[] = {"2025-03-29T00:00:00Z", NULL};

    walk_is(NULL, "as the row", "2024-02-29T00:00:00Z", "2025-02-28T00:00:00Z", year);
    walk_is(NULL, "as the row", "2025-11-30T00:00:00Z", "2026-02-28T00:00:00Z", quarter);
    walk_is(NULL, "as the row", "2026-01-01T00:00:00Z", "2026-01-15T00:00:00Z", fortnight);
    walk_is(NULL, NULL, "2024-02-29T00:00:00Z", "2025-02-28T00:00:00Z", month);
}

/* A year that becomes a month is said so. */
static void test_shortened(void)
{
    struct walk w;

    begin(&w, "each", "2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z");
    step(&w, at("2026-03-01T00:00:00Z"));
    CU_ASSERT_PTR_NOT_NULL(strstr(w.f.host.logged, "its period of 365 days is followed by a period of one month"));
    w.f.host.logged[0] = '\0';
    step(&w, at("2026-03-01T00:00:00Z"));
    CU_ASSERT_STRING_EQUAL(w.f.host.logged, "");
    fake_close(&w.f);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"effects", test_effects},
        {"the window", test_window},
        {"anchors 28 to 31 over nine years", test_anchors},
        {"leap years", test_leap_year},
        {"the anchor of a first period", test_first_seen},
        {"the anchor is kept", test_memo},
        {"the latest period alone", test_latest},
        {"broken records", test_broken},
        {"months of a zone", test_zones},
        {"a zone that is none", test_zone_unknown},
        {"periods as long as the row's", test_as_the_row},
        {"a year that becomes a month", test_shortened},
        {NULL, NULL},
    };
    return run_tests("free_plan_alloc", tests);
}
