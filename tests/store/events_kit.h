/* SPDX-License-Identifier: MIT
 * What the tests of events share: records k1, k2 and k3 of the job "kit", events for them, short ways to add, claim and
 * settle.
 */
#ifndef TESTS_STORE_EVENTS_KIT_H
#define TESTS_STORE_EVENTS_KIT_H

#include "core/store/events/events.h"
#include "tests/store/kit.h"

enum { NOW = 1000000, LEASE = 300, ALL = 1000 };

extern const char source[];
extern const char *const one_key[]; /* k1 */

/* A connection to a database with the records and no event. */
struct db *events_begin(void);
/* One of the name "Purchase". */
struct new_event event(const char *key, const char *id);
int add_at(struct db *db, struct new_event *n, size_t count, int64_t depth, int64_t now);
/* 1 = it was there before. */
int add(struct db *db, const char *key, const char *id);
/* All that is due of k1. */
struct event_claim claim_of(const char *incarnation, int64_t now);
/* What a claim gives: the event ids with the sendings before, joined by blanks; malloc'd. */
char *claim(struct db *db, const struct event_claim *q, int64_t *ret_expired);
bool gives(struct db *db, const struct event_claim *q, const char *expected);
/* What becomes of all that an incarnation has in its hands. */
int settle_all(struct db *db, const char *incarnation, struct event_settle s);

#endif
