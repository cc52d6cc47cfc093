/* SPDX-License-Identifier: MIT
 * Decides when a record is due. A plugin states a window; the core gives each record a fixed point within the
 * window and compares it with the clock. Pure functions.
 *
 * The point is a fixed function of source (a job's table), key and generation. Records that expire together must
 * not be refreshed together, so the points are more even than a plain hash where possible: the number at the end of
 * a key (17, creator_0017, acct-17) moves through the window in steps of the golden ratio within blocks of 4,096
 * numbers; source, text before the number, block and generation are hashed into the start. Keys without such a
 * number (uuids) are hashed, which is as even as independent choices can be. For 10,000 records of one expiry, the
 * fullest minute compared with the average is: under 1.05 for dense numbers in windows of up to an hour; under 1.2
 * for numbers with gaps and uuids in windows of up to about half an hour (at an hour chance alone gives about 1.2).
 * No function of such keys can do better. If there is a number of our own (a record's id), use it as key.
 */
#ifndef CORE_RULES_REFRESH_WINDOW_H
#define CORE_RULES_REFRESH_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

/* Unix seconds; 0 = none. */
struct window {
    int64_t earliest;  /* before it a refresh is rejected or useless */
    int64_t preferred; /* from here on it is wanted */
    int64_t latest;    /* all should be done by then */
    int64_t death;     /* the credential ends */
};

/* Makes any window valid: negative = none, nothing past the year 9999, earliest <= preferred <= latest <= death
 * (the later member gives way); a missing preferred is earliest, else latest; a missing latest is preferred,
 * both missing are death. */
void window_clean(struct window *w);

/* True when no member other than death is set: nothing is due at its own time. Call it after cleaning. */
bool window_empty(const struct window *w);

/* The record's point in [preferred, latest]; 0 for an empty window. It cleans a copy of the window. */
int64_t window_point(const struct window *w, const char *source, const char *key, int64_t generation);

struct due {
    struct window window; /* clean */
    int64_t point;
    int64_t ok_at;      /* the last ok; 0 = never */
    int64_t not_before; /* backoff; 0 = none */
    int64_t expires_at; /* 0 = unknown */
    int64_t life;       /* the last seen life in seconds; 0 = unknown */
};

/* now >= point, outside backoff. An unknown expiry without a window is due until its first ok. */
bool due_auto(const struct due *d, int64_t now);

/* At tick (the latest at or before now; the next one comes at next_tick, 0 = never): earliest has
 * passed, and now >= point, or the point lies before next_tick and there was no ok since tick. */
bool due_tick(const struct due *d, int64_t now, int64_t tick, int64_t next_tick);

/* earliest has passed; backoff is ignored. */
bool due_by_hand(const struct due *d, int64_t now);

/* Less than min_valid seconds are left (capped at 80 % of the last seen life), earliest has
 * passed, outside backoff. */
bool due_on_demand(const struct due *d, int64_t now, int64_t min_valid);

#endif
