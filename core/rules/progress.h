/* SPDX-License-Identifier: MIT
 * How far the reading of a table is, and how that is said to people.
 */
#ifndef CORE_RULES_PROGRESS_H
#define CORE_RULES_PROGRESS_H

#include <stddef.h>
#include <stdint.h>

struct progress {
    int64_t rows;  /* read so far */
    int64_t about; /* how many there are, as the database estimates; 0: not known, or the estimate was too low */
    int64_t left;  /* seconds, at the rate so far; -1: not known */
};

enum { PROGRESS_TEXT = 192 };

/* ms: how long reading them has taken. about may be 0. */
void progress_make(int64_t rows, int64_t about, int64_t ms, struct progress *ret);
/* "120,000 of about 400,000 rows read, 40 s left" */
void progress_text(const struct progress *p, char ret[PROGRESS_TEXT]);

#endif
