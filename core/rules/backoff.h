/* SPDX-License-Identifier: MIT
 * How long to wait after a failure. Deterministic: the jitter comes from a seed.
 */
#ifndef CORE_RULES_BACKOFF_H
#define CORE_RULES_BACKOFF_H

#include <stdint.h>

/* Seconds: base_s doubled for every attempt after the first, at most cap_s, then between half and
 * all of that. attempts counts failures so far (1 = the first); never less than 1 s. */
int64_t backoff_next(int attempts, uint64_t jitter_seed, int64_t base_s, int64_t cap_s);

/* The wait that a provider requested (Retry-After, or the time of a code), limited to between 1 s and an hour. */
int64_t backoff_rate_limited(int64_t asked_s);

#endif
