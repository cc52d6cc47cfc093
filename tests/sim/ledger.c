/* SPDX-License-Identifier: MIT
 * The log of the last requests, a ring, and the counts per provider.
 */
#include "tests/sim/ledger.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/clock.h"
#include "tests/sim/sim.h"
#include "tests/sim/truth.h"

enum { LOG_SIZE = 20000, PROVIDERS_MAX = 16 };

enum count { REQUESTS, PRESENTED, OK, REFUSED, REUSE, MISBEHAVED, DROPPED, UNWRITTEN, COUNTS };

static const char *const count_names[COUNTS] = {
    "requests", "presented", "ok", "refused", "reuse", "misbehaved", "dropped", "unwritten",
};

struct entry {
    uint64_t number, peer;
    int64_t at;
    int64_t boot_ms; /* the same moment, by a clock that nobody sets */
    const struct provider *provider;
    char method[12], path[96], account[64], outcome[24];
    const char *mode; /* of misbehaviour, static text */
    int status;
    bool refresh;        /* presented a refresh token that we issued */
    signed char written; /* -1: not known yet */
};

static struct {
    struct entry ring[LOG_SIZE];
    uint64_t last;
    uint64_t counts[PROVIDERS_MAX][COUNTS];
} ledger;

static uint64_t *counts_of(const struct provider *provider)
{
    size_t i = 0;
    while (i < PROVIDERS_MAX - 1 && provider_at(i) != provider)
        i++;
    return ledger.counts[i];
}

static struct entry *entry_of(uint64_t number)
{
    struct entry *entry = &ledger.ring[number % LOG_SIZE];
    return number && entry->number == number ? entry : NULL;
}

void ledger_reset(void)
{
    for (size_t i = 0; i < LOG_SIZE; i++)
        ledger.ring[i].number = 0;
    ledger_mark();
}

void ledger_mark(void)
{
    memset(ledger.counts, 0, sizeof(ledger.counts));
}

uint64_t ledger_enter(const struct request *request, const struct token *token)
{
    struct entry *entry = &ledger.ring[++ledger.last % LOG_SIZE];

    memset(entry, 0, sizeof(*entry));
    entry->number = ledger.last;
    entry->peer = request->peer ? request->peer->id : 0;
    entry->at = sim_now();
    entry->boot_ms = clock_boot_ms();
    entry->provider = request->provider;
    entry->refresh = token && token->kind == TOKEN_REFRESH;
    entry->written = -1;
    snprintf(entry->method, sizeof(entry->method), "%s", request->method);
    snprintf(entry->path, sizeof(entry->path), "%s", request->path);
    snprintf(entry->account, sizeof(entry->account), "%s", token ? token->account->name : "");
    snprintf(entry->outcome, sizeof(entry->outcome), "presented");
    counts_of(entry->provider)[REQUESTS]++;
    if (entry->refresh)
        counts_of(entry->provider)[PRESENTED]++;
    return entry->number;
}

void ledger_misbehaviour(uint64_t number, const char *mode)
{
    struct entry *entry = entry_of(number);

    if (!entry)
        return;
    entry->mode = mode;
    counts_of(entry->provider)[MISBEHAVED]++;
}

void ledger_outcome(uint64_t number, const struct reply *reply)
{
    struct entry *entry = entry_of(number);

    if (!entry)
        return;
    uint64_t *counts = counts_of(entry->provider);
    const char *outcome = reply->outcome ? reply->outcome : "unprocessed";
    snprintf(entry->outcome, sizeof(entry->outcome), "%s", outcome);
    entry->status = reply->drop ? 0 : reply->status;
    if (reply->drop)
        counts[DROPPED]++;
    if (strcmp(outcome, "ok") == 0)
        counts[OK]++;
    else if (strcmp(outcome, "reuse") == 0)
        counts[REUSE]++, counts[REFUSED]++;
    else if (strcmp(outcome, "refused") == 0)
        counts[REFUSED]++;
}

void ledger_written(uint64_t number, bool whole)
{
    struct entry *entry = entry_of(number);

    if (!entry)
        return;
    entry->written = whole;
    if (!whole)
        counts_of(entry->provider)[UNWRITTEN]++;
}

static void add_text(struct json_object *json, const char *name, const char *value)
{
    json_object_object_add(json, name, value && *value ? json_object_new_string(value) : NULL);
}

static struct json_object *entry_json(const struct entry *entry)
{
    struct json_object *json = json_object_new_object();

    json_object_object_add(json, "number", json_object_new_int64((int64_t)entry->number));
    json_object_object_add(json, "connection", json_object_new_int64((int64_t)entry->peer));
    json_object_object_add(json, "at", json_object_new_int64(entry->at));
    json_object_object_add(json, "boot_ms", json_object_new_int64(entry->boot_ms));
    add_text(json, "method", entry->method);
    add_text(json, "path", entry->path);
    add_text(json, "provider", entry->provider->name);
    add_text(json, "account", entry->account);
    json_object_object_add(json, "refresh", json_object_new_boolean(entry->refresh));
    add_text(json, "outcome", entry->outcome);
    add_text(json, "misbehaved", entry->mode);
    json_object_object_add(json, "status", entry->status ? json_object_new_int(entry->status) : NULL);
    json_object_object_add(json, "written", entry->written < 0 ? NULL : json_object_new_boolean(entry->written));
    return json;
}

struct json_object *ledger_log(size_t n)
{
    struct json_object *list = json_object_new_array();
    uint64_t number = ledger.last > n ? ledger.last - n : 0;

    while (number < ledger.last) {
        const struct entry *entry = entry_of(++number);
        if (entry)
            json_object_array_add(list, entry_json(entry));
    }
    return list;
}

static struct json_object *counts_json(const uint64_t counts[COUNTS])
{
    struct json_object *json = json_object_new_object();

    for (int i = 0; i < COUNTS; i++)
        json_object_object_add(json, count_names[i], json_object_new_int64((int64_t)counts[i]));
    return json;
}

struct json_object *ledger_counts(void)
{
    struct json_object *json = json_object_new_object();
    uint64_t total[COUNTS] = {0};

    for (size_t i = 0; provider_at(i); i++) {
        json_object_object_add(json, provider_at(i)->name, counts_json(ledger.counts[i]));
        for (int k = 0; k < COUNTS; k++)
            total[k] += ledger.counts[i][k];
    }
    json_object_object_add(json, "total", counts_json(total));
    return json;
}
