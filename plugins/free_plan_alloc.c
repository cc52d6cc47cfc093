/* SPDX-License-Identifier: MIT
 * free_plan_alloc.so: the monthly credit of a free plan. No provider is asked: a subscription whose
 * period has ended gets the period moved by a month, a transaction, and its wallet's balance
 * raised, all three in one database transaction by named statements, or none. once() lets each
 * period of each subscription be paid a single time, whatever happens. Months are counted from the
 * day of the month on which the subscription began (31 Jan, 28 Feb, 31 Mar), in UTC.
 */
#include <renewd/plugin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MONTHS_MAX 12000 /* a period that ended before the year 1000 is a mistake */

struct free_plan {
    const struct renewd_services *services;
    const char *plan_name, *plan_item, *transaction_type, *performed_by; /* settings */
    int latest; /* catch_up */
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
    .help = "Several periods missed: pay each of them, oldest first, or the current one alone",
};
static const struct renewd_setting *const settings[] = {
    &plan_name, &plan_item, &transaction_type, &performed_by, &catch_up, NULL,
};

/* ---- Slots: what the view shows of a subscription; nothing of it is written through slots --- */

static const struct renewd_slot slot_user_id = {
    .size = sizeof(struct renewd_slot),
    .name = "user_id",
    .type = RENEWD_TEXT,
    .direction = RENEWD_IN,
    .required = 1,
    .help = "Whose wallet is credited",
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
    .help = "How much a period is worth, a decimal number",
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
    .help = "The plan's name, held against the setting",
};
static const struct renewd_slot slot_item_id_internal = {
    .size = sizeof(struct renewd_slot),
    .name = "item_id_internal",
    .type = RENEWD_TEXT,
    .direction = RENEWD_IN,
    .help = "The plan's item, held against plan_item",
};
static const struct renewd_slot *const slots[] = {
    &slot_user_id,
    &slot_plan_id,
    &slot_tokens_to_award,
    &slot_current_period_start,
    &slot_current_period_end,
    &slot_plan_name,
    &slot_item_id_internal,
    NULL,
};

/* ---- Statements -------------------------------------------------------------------------- */

static const int32_t advance_takes[] = { RENEWD_TEXT, RENEWD_AS_READ, RENEWD_TIME, RENEWD_TIME, 0 };
static const int32_t credit_takes[] = { RENEWD_AS_READ, RENEWD_TEXT, 0 };
static const int32_t transaction_takes[] = { RENEWD_AS_READ, RENEWD_TEXT, RENEWD_TEXT,
                                             RENEWD_TEXT,    RENEWD_TEXT, RENEWD_TIME, 0 };
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
    .help = "Notes the credit: user, type, amount, performer, key, time",
};
static const struct renewd_statement *const statements[] = { &advance, &credit, &transaction,
                                                             NULL };

/* ---- One instance per job ---------------------------------------------------------------- */

static int32_t free_plan_open(void *instance, const struct renewd_open_in *in,
                              struct renewd_open_out *out)
{
    const struct renewd_services *s = in->services;
    struct free_plan *p = calloc(1, sizeof(*p));

    (void)instance;
    if (!p)
        return s->fail(in->call, RENEWD_TRANSIENT, NULL, "out of memory");
    p->services = s;
    p->plan_name = s->setting_text(in->host, "plan_name");
    p->plan_item = s->setting_text(in->host, "plan_item");
    p->transaction_type = s->setting_text(in->host, "transaction_type");
    p->performed_by = s->setting_text(in->host, "performed_by");
    const char *mode = s->setting_text(in->host, "catch_up");
    p->latest = mode && strcmp(mode, "latest") == 0;
    out->instance = p;
    return 0;
}

static int32_t free_plan_close(void *instance, const struct renewd_close_in *in,
                               struct renewd_close_out *out)
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
    else /* no end: asked for once more, so that somebody hears of it */
        out->earliest = r->first_seen > 0 ? r->first_seen : in->now;
    out->preferred = out->latest = out->earliest;
    return 0;
}

/* ---- Months ------------------------------------------------------------------------------ */

/* The day of the month, in UTC. */
static int32_t day_of(const struct free_plan *p, struct renewd_call *call, int64_t time)
{
    const char *text = p->services->format_time(call, time); /* YYYY-MM-DD... */
    return strlen(text) >= 10 ? (int32_t)strtol(text + 8, NULL, 10) : 1;
}

static int is_anchor(const struct free_plan *p, int64_t end, int32_t day)
{
    return day >= 1 && day <= 31 && p->services->add_months(end, day, 0) == end;
}

/* The day on which this subscription's periods end, months allowing. What was worked out before
 * stands as long as the period's end still is such a day; else the period itself tells: an end on
 * its month's last day may be the short form of the start's day. */
static int32_t anchor_day(const struct free_plan *p, struct renewd_call *call,
                          const struct renewd_record *r, int64_t end)
{
    const struct renewd_value *start = p->services->slot(r, "current_period_start");
    char memo[16] = "";
    int32_t day;

    if (r->memo && r->memo_length < sizeof(memo))
        memcpy(memo, r->memo, r->memo_length);
    day = strncmp(memo, "day ", 4) == 0 ? (int32_t)strtol(memo + 4, NULL, 10) : 0;
    if (is_anchor(p, end, day))
        return day;
    day = start->present ? day_of(p, call, start->number) : 0;
    if (start->present && start->number < end && day > day_of(p, call, end) &&
        is_anchor(p, end, day))
        return day;
    return day_of(p, call, end);
}

struct period {
    int64_t old_end, start, end;
    int32_t day;
};

/* The period to pay: the next one, or the one that contains now. */
static int next_period(const struct free_plan *p, const struct renewd_refresh_in *in,
                       struct period *ret)
{
    const struct renewd_record *r = in->records[0];
    int64_t end = p->services->slot(r, "current_period_end")->number;

    ret->old_end = ret->start = end;
    ret->day = anchor_day(p, in->call, r, end);
    ret->end = p->services->add_months(end, ret->day, 1);
    for (int i = 0; p->latest && ret->end <= in->now && i < MONTHS_MAX; i++) {
        ret->start = ret->end;
        ret->end = p->services->add_months(ret->start, ret->day, 1);
    }
    return ret->end > ret->start;
}

/* ---- The effects -------------------------------------------------------------------------- */

static struct renewd_parameter text_of(const char *text)
{
    return (struct renewd_parameter){ .size = sizeof(struct renewd_parameter),
                                      .type = RENEWD_TEXT, .text = text };
}

static struct renewd_parameter as_read(const char *slot)
{
    return (struct renewd_parameter){ .size = sizeof(struct renewd_parameter),
                                      .type = RENEWD_AS_READ, .text = slot };
}

static struct renewd_parameter time_of(int64_t time)
{
    return (struct renewd_parameter){ .size = sizeof(struct renewd_parameter),
                                      .type = RENEWD_TIME, .number = time };
}

static void move_period(const struct free_plan *p, const struct renewd_refresh_in *in,
                        const struct period *period)
{
    const struct renewd_parameter id = text_of(in->records[0]->key);
    const struct renewd_parameter was = as_read("current_period_end");
    const struct renewd_parameter start = time_of(period->start), end = time_of(period->end);
    const struct renewd_parameter *const list[] = { &id, &was, &start, &end, NULL };
    char memo[16];

    p->services->run(in->call, "advance", list);
    snprintf(memo, sizeof(memo), "day %d", (int)period->day);
    p->services->memo(in->call, memo, strlen(memo));
}

/* The key says which period has ended, from facts that do not change. */
static void pay(const struct free_plan *p, const struct renewd_refresh_in *in,
                const struct period *period, const char *amount)
{
    const struct renewd_services *s = p->services;
    const struct renewd_record *r = in->records[0];
    const char *const parts[] = { r->key, "-", s->slot(r, "plan_id")->text, "-",
                                  s->format_time(in->call, period->start), NULL };
    const char *key = s->join(in->call, parts);
    const struct renewd_parameter user = as_read("user_id"), worth = text_of(amount);
    const struct renewd_parameter type = text_of(p->transaction_type);
    const struct renewd_parameter by = text_of(p->performed_by), named = text_of(key);
    const struct renewd_parameter at = time_of(in->now);
    const struct renewd_parameter *const credited[] = { &user, &worth, NULL };
    const struct renewd_parameter *const noted[] = { &user, &type, &worth, &by, &named, &at, NULL };

    s->once(in->call, key); /* paid before: the period moves, and nothing else happens */
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

static int32_t wrong(const struct free_plan *p, const struct renewd_refresh_in *in,
                     const char *code, const char *text)
{
    return p->services->fail(in->call, RENEWD_TRANSIENT, code, text);
}

static int differs(const struct renewd_value *value, const char *wanted)
{
    return value->present && wanted && strcmp(value->text, wanted) != 0;
}

static int32_t free_plan_refresh(void *instance, const struct renewd_refresh_in *in,
                                 struct renewd_refresh_out *out)
{
    const struct free_plan *p = instance;
    const struct renewd_services *s = p->services;
    const struct renewd_record *r = in->records[0];
    const struct renewd_value *amount = s->slot(r, "tokens_to_award");
    struct period period;

    (void)out;
    if (differs(s->slot(r, "plan_name"), p->plan_name) ||
        differs(s->slot(r, "item_id_internal"), p->plan_item))
        return s->fail(in->call, RENEWD_MISCONFIGURED, "plan",
                       "the record is of another plan than plan_name and plan_item say; correct "
                       "them or the job's `only`");
    if (!s->slot(r, "user_id")->present || !s->slot(r, "plan_id")->present)
        return wrong(p, in, "no_user", "the subscription has no user_id or no plan_id");
    if (!amount->present || !is_amount(amount->text))
        return wrong(p, in, "no_award",
                     "Free plan tokens_to_award is not configured or is zero.");
    if (s->slot(r, "current_period_end")->number <= 0)
        return wrong(p, in, "bad_period",
                     "current_period_end is empty or no time; set it to when the period ended");
    if (s->slot(r, "current_period_end")->number > in->now)
        return wrong(p, in, "too_early", "the period has not ended yet");
    if (!next_period(p, in, &period))
        return wrong(p, in, "bad_period", "no month follows the period's end");
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
