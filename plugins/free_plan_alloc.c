/* SPDX-License-Identifier: MIT
 * free_plan_alloc.so: the monthly credit of a free plan. It calls no provider. When a subscription's period has
 * ended, it moves the period by a month, adds a transaction and raises the wallet's balance, by named statements in
 * one database transaction. once() ensures that each period of each subscription is paid only once. Months are
 * counted from the day of the month and the time of day at which the subscription began (31 Jan, 28 Feb, 31 Mar),
 * by the calendar of the account's own time zone or of the job's.
 */
#include <renewd/plugin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MONTHS_MAX 12000 /* a period that ended before the year 1000 is an error */
#define MONTH 2629746    /* seconds, on average */
#define DAY 86400

struct free_plan {
    const struct renewd_services *services;
    struct renewd_host *host;
    const char *plan_name, *plan_item, *transaction_type, *performed_by; /* settings */
    int latest;                                                          /* catch_up */
    int as_row;                                                          /* period */
};

/* ---- Settings ---------------------------------------------------------------------------- */

static const struct renewd_setting plan_name = {
    .size = sizeof(struct renewd_setting),
    .name = "plan_name",
    .type = RENEWD_TEXT,
    .default_value = "Free",
    .help = "Name of the plan; a record of another plan is refused",
};
static const struct renewd_setting plan_item = {
    .size = sizeof(struct renewd_setting),
    .name = "plan_item",
    .type = RENEWD_TEXT,
    .default_value = "SYSTEM_FREE_TIER_MONTHLY_ALLOWANCE",
    .help = "The plan's item_id_internal; a record of another item is refused",
};
static const struct renewd_setting transaction_type = {
    .size = sizeof(struct renewd_setting),
    .name = "transaction_type",
    .type = RENEWD_TEXT,
    .default_value = "CREDIT_ALLOCATION_FREE_PLAN",
    .help = "Type of the transactions",
};
static const struct renewd_setting performed_by = {
    .size = sizeof(struct renewd_setting),
    .name = "performed_by",
    .type = RENEWD_TEXT,
    .default_value = "system-token-allocator",
    .help = "Who performs the transactions",
};
static const struct renewd_setting catch_up = {
    .size = sizeof(struct renewd_setting),
    .name = "catch_up",
    .type = RENEWD_TEXT,
    .default_value = "each",
    .choices = "each|latest",
    .help = "If several periods were missed: credit each of them, oldest first, or only the current one",
};
static const struct renewd_setting period_setting = {
    .size = sizeof(struct renewd_setting),
    .name = "period",
    .type = RENEWD_TEXT,
    .default_value = "month",
    .choices = "month|as the row",
    .help = "How long the next period is: a month, or as long as the row's own (a quarter, a year, 14 days)",
};
static const struct renewd_setting *const settings[] = {
    &plan_name, &plan_item, &transaction_type, &performed_by, &catch_up, &period_setting, NULL,
};

/* ---- Slots: what the view shows of a subscription; nothing of it is written through slots --- */

static const struct renewd_slot slot_user_id = {
    .size = sizeof(struct renewd_slot),
    .name = "user_id",
    .type = RENEWD_TEXT,
    .direction = RENEWD_IN,
    .required = 1,
    .help = "The user whose wallet is credited",
};
static const struct renewd_slot slot_plan_id = {
    .size = sizeof(struct renewd_slot),
    .name = "plan_id",
    .type = RENEWD_TEXT,
    .direction = RENEWD_IN,
    .required = 1,
    .help = "The plan",
};
static const struct renewd_slot slot_tokens_to_award = {
    .size = sizeof(struct renewd_slot),
    .name = "tokens_to_award",
    .type = RENEWD_TEXT,
    .direction = RENEWD_IN,
    .required = 1,
    .help = "Tokens credited for a period, a decimal number",
};
static const struct renewd_slot slot_current_period_start = {
    .size = sizeof(struct renewd_slot),
    .name = "current_period_start",
    .type = RENEWD_TIME,
    .direction = RENEWD_IN,
    .help = "When the period began",
};
static const struct renewd_slot slot_current_period_end = {
    .size = sizeof(struct renewd_slot),
    .name = "current_period_end",
    .type = RENEWD_TIME,
    .direction = RENEWD_IN,
    .required = 1,
    .help = "When it ends, or has ended",
};
static const struct renewd_slot slot_plan_name = {
    .size = sizeof(struct renewd_slot),
    .name = "plan_name",
    .type = RENEWD_TEXT,
    .direction = RENEWD_IN,
    .help = "The plan's name, compared with the setting",
};
static const struct renewd_slot slot_item_id_internal = {
    .size = sizeof(struct renewd_slot),
    .name = "item_id_internal",
    .type = RENEWD_TEXT,
    .direction = RENEWD_IN,
    .help = "The plan's item, compared with plan_item",
};
static const struct renewd_slot slot_timezone = {
    .size = sizeof(struct renewd_slot),
    .name = "timezone",
    .type = RENEWD_TEXT,
    .direction = RENEWD_IN,
    .help = "The account's time zone (Asia/Kolkata), in which its months are counted; empty: the job's",
};
static const struct renewd_slot *const slots[] = {
    &slot_user_id,
    &slot_plan_id,
    &slot_tokens_to_award,
    &slot_current_period_start,
    &slot_current_period_end,
    &slot_plan_name,
    &slot_item_id_internal,
    &slot_timezone,
    NULL,
};

/* ---- Statements -------------------------------------------------------------------------- */

static const int32_t advance_takes[] = {RENEWD_TEXT, RENEWD_AS_READ, RENEWD_TIME, RENEWD_TIME, 0};
static const int32_t credit_takes[] = {RENEWD_AS_READ, RENEWD_TEXT, 0};
static const int32_t transaction_takes[] =
    {RENEWD_AS_READ, RENEWD_TEXT, RENEWD_TEXT, RENEWD_TEXT, RENEWD_TEXT, RENEWD_TIME, 0};
static const struct renewd_statement advance = {
    .size = sizeof(struct renewd_statement),
    .name = "advance",
    .parameters = advance_takes,
    .rows = RENEWD_ROWS_ONE,
    .help = "Moves the period: subscription, its end as it was read, the new start, the new end",
};
static const struct renewd_statement credit = {
    .size = sizeof(struct renewd_statement),
    .name = "credit",
    .parameters = credit_takes,
    .rows = RENEWD_ROWS_ONE,
    .help = "Raises the balance of the user's own wallet: user, amount",
};
static const struct renewd_statement transaction = {
    .size = sizeof(struct renewd_statement),
    .name = "transaction",
    .parameters = transaction_takes,
    .rows = RENEWD_ROWS_ONE,
    .help = "Records the credit: user, type, amount, performer, key, time",
};
static const struct renewd_statement *const statements[] = {&advance, &credit, &transaction, NULL};

/* ---- One instance per job ---------------------------------------------------------------- */

static int32_t free_plan_open(void *instance, const struct renewd_open_in *in, struct renewd_open_out *out)
{
    const struct renewd_services *s = in->services;
    struct free_plan *p = calloc(1, sizeof(*p));

    (void)instance;
    if (!p)
        return s->fail(in->call, RENEWD_TRANSIENT, NULL, "out of memory");
    p->services = s;
    p->host = in->host;
    p->plan_name = s->setting_text(in->host, "plan_name");
    p->plan_item = s->setting_text(in->host, "plan_item");
    p->transaction_type = s->setting_text(in->host, "transaction_type");
    p->performed_by = s->setting_text(in->host, "performed_by");
    const char *mode = s->setting_text(in->host, "catch_up");
    p->latest = mode && strcmp(mode, "latest") == 0;
    mode = s->setting_text(in->host, "period");
    p->as_row = mode && strcmp(mode, "as the row") == 0;
    out->instance = p;
    return 0;
}

static int32_t free_plan_close(void *instance, const struct renewd_close_in *in, struct renewd_close_out *out)
{
    (void)in;
    (void)out;
    free(instance);
    return 0;
}

/* ---- When: at the period's end ------------------------------------------------------------ */

static int32_t free_plan_needs_refresh(void *instance, const struct renewd_needs_refresh_in *in,
                                       struct renewd_needs_refresh_out *out)
{
    const struct free_plan *p = instance;
    const struct renewd_record *r = in->records[0];
    const struct renewd_value *end = p->services->slot(r, "current_period_end");

    if (end->present && end->number > 0)
        out->earliest = end->number;
    else /* no end: refreshed once more, so that the error is shown */
        out->earliest = r->first_seen > 0 ? r->first_seen : in->now;
    out->preferred = out->latest = out->earliest;
    return 0;
}

/* ---- Months ------------------------------------------------------------------------------ */

/* The calendar's zone, and the anchor: an early end or start of a period. All others are whole months from it. */
struct anchor {
    const char *zone; /* NULL = the job's */
    int32_t day;      /* of the month, months allowing */
    int64_t from;     /* shows the time of day */
};

/* -1 = there is no such zone, or no such time. */
static int64_t months_later(const struct free_plan *p, const struct anchor *a, int32_t months)
{
    const struct renewd_services *s = p->services;
    int64_t at = -1;

    if (!RENEWD_HAS(s, add_months_in))
        return a->zone ? -1 : s->add_months(a->from, a->day, months);
    return s->add_months_in(p->host, a->from, a->day, months, a->zone, &at) == RENEWD_FOUND ? at : -1;
}

/* 1 = time is a whole number of months from the anchor, which is returned. */
static int months_to(const struct free_plan *p, const struct anchor *a, int64_t time, int32_t *ret)
{
    int64_t about = (time - a->from) / MONTH;

    for (int64_t n = about - 1; n <= about + 1; n++) {
        if (n < -MONTHS_MAX || n > MONTHS_MAX || a->day < 1 || a->day > 31 ||
            months_later(p, a, (int32_t)n) != time)
            continue;
        *ret = (int32_t)n;
        return 1;
    }
    return 0;
}

/* The day of the month; 0 = there is no such zone. */
static int32_t day_of(const struct free_plan *p, struct renewd_call *call, const char *zone, int64_t time)
{
    if (RENEWD_HAS(p->services, day_in))
        return p->services->day_in(p->host, time, zone);
    const char *text = p->services->format_time(call, time); /* YYYY-MM-DD... */
    return !zone && strlen(text) >= 10 ? (int32_t)strtol(text + 8, NULL, 10) : 0;
}

/* What was worked out before: "day 31", and where the end does not show the time of day " at 1769817600". */
static struct anchor remembered(const struct renewd_record *r, const char *zone, int64_t end)
{
    struct anchor a = {.zone = zone, .from = end};
    char memo[48] = "", *rest = memo;

    if (r->memo && r->memo_length < sizeof(memo))
        memcpy(memo, r->memo, r->memo_length);
    if (strncmp(memo, "day ", 4) == 0)
        a.day = (int32_t)strtol(memo + 4, &rest, 10);
    if (strncmp(rest, " at ", 4) == 0)
        a.from = strtoll(rest + 4, NULL, 10);
    return a;
}

/* From where this subscription's months are counted, and how many of them end at its period's end. What was worked out
 * before stands as long as the end lies in its row; else the period itself tells: its end may be the short form of
 * the start's day, or an hour that a change of clocks skipped. 0 = there is no such zone. */
static int find_anchor(const struct free_plan *p, struct renewd_call *call, const struct renewd_record *r,
                       int64_t end, struct anchor *ret, int32_t *ret_months)
{
    const struct renewd_value *zone = p->services->slot(r, "timezone");
    const struct renewd_value *start = p->services->slot(r, "current_period_start");

    *ret = remembered(r, zone->present ? zone->text : NULL, end);
    if (months_to(p, ret, end, ret_months))
        return 1;
    int32_t day = day_of(p, call, ret->zone, end);
    if (start->present && start->number < end) {
        ret->from = start->number;
        ret->day = day_of(p, call, ret->zone, start->number);
        if (months_to(p, ret, end, ret_months))
            return 1;
        ret->from = end;
        if (ret->day > day && months_to(p, ret, end, ret_months))
            return 1;
    }
    *ret = (struct anchor){.zone = ret->zone, .day = day, .from = end};
    *ret_months = 0;
    return day > 0;
}

struct period {
    int64_t old_end, start, end;
    struct anchor anchor;
};

/* How long a period is: in months, or where the row's is not made of months in seconds. */
struct length {
    int32_t months;
    int64_t seconds;
};

static struct length length_of(const struct free_plan *p, const struct renewd_record *r, const struct anchor *a,
                               int64_t end, int32_t months)
{
    const struct renewd_value *start = p->services->slot(r, "current_period_start");
    struct length length = {.months = 1};
    int32_t before;
    char text[200];

    if (!start->present || start->number >= end)
        return length;
    if (!p->as_row) {
        if (end - start->number > 32 * DAY) {
            snprintf(text, sizeof(text),
                     "subscription %.60s: its period of %lld days is followed by a period of one month; "
                     "set period = \"as the row\" to keep the length",
                     r->key, (long long)((end - start->number) / DAY));
            p->services->log(p->host, RENEWD_LOG_WARNING, text);
        }
        return length;
    }
    if (months_to(p, a, start->number, &before) && before < months)
        length.months = months - before;
    else
        length = (struct length){.seconds = end - start->number};
    return length;
}

/* The period to pay: the next one, or the one that contains now. 0 = there is none. */
static int next_period(const struct free_plan *p, const struct renewd_refresh_in *in, struct period *ret)
{
    const struct renewd_record *r = in->records[0];
    int32_t months = 0;

    ret->old_end = ret->start = ret->end = p->services->slot(r, "current_period_end")->number;
    if (!find_anchor(p, in->call, r, ret->end, &ret->anchor, &months))
        return 0;
    const struct length length = length_of(p, r, &ret->anchor, ret->end, months);
    for (int i = 0; i < MONTHS_MAX && (i == 0 || (p->latest && ret->end <= in->now)); i++) {
        ret->start = ret->end;
        months += length.months;
        ret->end = length.months ? months_later(p, &ret->anchor, months) : ret->start + length.seconds;
        if (ret->end <= ret->start)
            return 0;
    }
    return 1;
}

/* ---- The effects -------------------------------------------------------------------------- */

static struct renewd_parameter text_of(const char *text)
{
    return (struct renewd_parameter){.size = sizeof(struct renewd_parameter), .type = RENEWD_TEXT, .text = text};
}

static struct renewd_parameter as_read(const char *slot)
{
    return (struct renewd_parameter){.size = sizeof(struct renewd_parameter), .type = RENEWD_AS_READ, .text = slot};
}

static struct renewd_parameter time_of(int64_t time)
{
    return (struct renewd_parameter){.size = sizeof(struct renewd_parameter), .type = RENEWD_TIME, .number = time};
}

static void move_period(const struct free_plan *p, const struct renewd_refresh_in *in, const struct period *period)
{
    const struct renewd_parameter id = text_of(in->records[0]->key);
    const struct renewd_parameter was = as_read("current_period_end");
    const struct renewd_parameter start = time_of(period->start), end = time_of(period->end);
    const struct renewd_parameter *const list[] = {&id, &was, &start, &end, NULL};
    const struct anchor here = {period->anchor.zone, period->anchor.day, period->end};
    char memo[48];
    int32_t months;

    p->services->run(in->call, "advance", list);
    if (months_to(p, &here, period->anchor.from, &months))
        snprintf(memo, sizeof(memo), "day %d", (int)here.day);
    else /* a clock change skipped its time of day, which the next period uses again */
        snprintf(memo, sizeof(memo), "day %d at %lld", (int)here.day, (long long)period->anchor.from);
    p->services->memo(in->call, memo, strlen(memo));
}

/* The key says which period has ended, from facts that do not change. */
static void pay(const struct free_plan *p, const struct renewd_refresh_in *in, const struct period *period,
                const char *amount)
{
    const struct renewd_services *s = p->services;
    const struct renewd_record *r = in->records[0];
    const char *const parts[] =
        {r->key, "-", s->slot(r, "plan_id")->text, "-", s->format_time(in->call, period->start), NULL};
    const char *key = s->join(in->call, parts);
    const struct renewd_parameter user = as_read("user_id"), worth = text_of(amount);
    const struct renewd_parameter type = text_of(p->transaction_type);
    const struct renewd_parameter by = text_of(p->performed_by), named = text_of(key);
    const struct renewd_parameter at = time_of(in->now);
    const struct renewd_parameter *const credited[] = {&user, &worth, NULL};
    const struct renewd_parameter *const noted[] = {&user, &type, &worth, &by, &named, &at, NULL};

    s->once(in->call, key); /* already paid: only the period moves */
    s->run(in->call, "credit", credited);
    s->run(in->call, "transaction", noted);
}

/* A decimal number above zero, sent on as it is written. */
static int is_amount(const char *text)
{
    size_t whole = strspn(text, "0123456789");
    const char *rest = text + whole;

    if (*rest == '.')
        rest += 1 + strspn(rest + 1, "0123456789");
    return whole > 0 && !*rest && strspn(text, "0.") != strlen(text);
}

static int32_t wrong(const struct free_plan *p, const struct renewd_refresh_in *in, const char *code,
                     const char *text)
{
    return p->services->fail(in->call, RENEWD_TRANSIENT, code, text);
}

static int differs(const struct renewd_value *value, const char *wanted)
{
    return value->present && wanted && strcmp(value->text, wanted) != 0;
}

static int32_t free_plan_refresh(void *instance, const struct renewd_refresh_in *in, struct renewd_refresh_out *out)
{
    const struct free_plan *p = instance;
    const struct renewd_services *s = p->services;
    const struct renewd_record *r = in->records[0];
    const struct renewd_value *amount = s->slot(r, "tokens_to_award");
    struct period period;

    (void)out;
    if (differs(s->slot(r, "plan_name"), p->plan_name) || differs(s->slot(r, "item_id_internal"), p->plan_item))
        return s->fail(
            in->call, RENEWD_MISCONFIGURED, "plan",
            "the record belongs to another plan than plan_name and plan_item say; correct them or the job's `only`");
    if (!s->slot(r, "user_id")->present || !s->slot(r, "plan_id")->present)
        return wrong(p, in, "no_user", "the subscription has no user_id or no plan_id");
    if (!amount->present || !is_amount(amount->text))
        return wrong(p, in, "no_award", "Free plan tokens_to_award is not configured or is zero.");
    if (s->slot(r, "current_period_end")->number <= 0)
        return wrong(p, in, "bad_period",
                     "current_period_end is empty or not a time; set it to the time when the period ended");
    if (s->slot(r, "current_period_end")->number > in->now)
        return wrong(p, in, "too_early", "the period has not ended yet");
    if (day_of(p, in->call, s->slot(r, "timezone")->text, in->now) == 0)
        return wrong(p, in, "bad_zone",
                     "the row's timezone is not known on this machine; write a name such as Asia/Kolkata");
    if (!next_period(p, in, &period))
        return wrong(p, in, "bad_period",
                     "the next period cannot be computed from current_period_end; correct that time");
    move_period(p, in, &period);
    pay(p, in, &period, amount->text);
    return RENEWD_DONE;
}

static const struct renewd_plugin plugin = {
    .size = sizeof(struct renewd_plugin),
    .minor = RENEWD_MINOR,
    .replay = RENEWD_REPLAY_SAFE,
    .name = "free_plan_alloc",
    .version = "1.0",
    .summary = "Monthly credit of a free plan, in the database alone",
    .settings = settings,
    .slots = slots,
    .statements = statements,
    .open = free_plan_open,
    .close = free_plan_close,
    .needs_refresh = free_plan_needs_refresh,
    .refresh = free_plan_refresh,
};

const struct renewd_plugin *renewd_plugin_v1(void)
{
    return &plugin;
}
