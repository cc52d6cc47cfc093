/* SPDX-License-Identifier: MIT
 * See events_kit.h.
 */
#include "tests/store/events_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/cleanup.h"

const char source[] = "public.t/refresh_token";
const char *const one_key[] = {"k1"};

struct db *events_begin(void)
{
    struct db *db = kit_fresh();
    for (int i = 1; i <= 3; i++)
        kit_sql(db, "INSERT INTO {records} (source, rkey, job, state) VALUES ('%s', 'k%d', 'kit', 1)", source, i);
    return db;
}

struct new_event event(const char *key, const char *id)
{
    return (struct new_event){.key = key,
                              .event_id = id,
                              .name = "Purchase",
                              .text = "{\"a\":1}",
                              .len = 7,
                              .event_time = NOW - 5};
}

int add_at(struct db *db, struct new_event *n, size_t count, int64_t depth, int64_t now)
{
    struct error e = {""};
    int r = store_events_add(db, "kit", source, n, count, depth, now, &e);
    if (r < 0)
        printf("# refused: %s\n", e.text);
    return r;
}

int add(struct db *db, const char *key, const char *id)
{
    struct new_event n = event(key, id);
    int r = add_at(db, &n, 1, 0, NOW);
    return r < 0 ? r : n.duplicate;
}

struct event_claim claim_of(const char *incarnation, int64_t now)
{
    return (struct event_claim){.job = "kit",
                                .host = "h",
                                .incarnation = incarnation,
                                .keys = one_key,
                                .key_count = 1,
                                .limit = ALL,
                                .now = now,
                                .lease_s = LEASE};
}

/* What a claim gives: the event ids with the sendings before, joined by blanks. */
char *claim(struct db *db, const struct event_claim *q, int64_t *ret_expired)
{
    struct event_row *list = NULL;
    size_t count = 0, at = 0;
    int64_t expired = -1;
    struct error e = {""};
    char *text = xcalloc(1, 65536);
    int r = store_events_claim(db, q, &list, &count, &expired, &e);
    if (r < 0)
        at += (size_t)snprintf(text, 65536, "%s: %s", strerror(-r), e.text);
    for (size_t i = 0; i < count; i++)
        at += (size_t)snprintf(text + at, 65536 - at, "%s%s/%d", i ? " " : "", list[i].event_id, list[i].sends);
    if (ret_expired)
        *ret_expired = expired;
    event_rows_free(list, count);
    return text;
}

bool gives(struct db *db, const struct event_claim *q, const char *expected)
{
    cleanup(free_p) char *text = claim(db, q, NULL);
    if (!strcmp(text, expected))
        return true;
    printf("# expected \"%s\", got \"%.400s\"\n", expected, text);
    return false;
}

/* What becomes of all that an incarnation has in its hands. */
int settle_all(struct db *db, const char *incarnation, struct event_settle s)
{
    int64_t ids[ALL];
    for (int64_t i = 0; i < ALL; i++)
        ids[i] = i + 1;
    s.host = "h";
    s.incarnation = incarnation;
    s.ids = ids;
    s.count = ALL;
    s.now = NOW + 7;
    return store_events_settle(db, &s, NULL);
}
