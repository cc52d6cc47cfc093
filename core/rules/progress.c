/* SPDX-License-Identifier: MIT
 * See progress.h.
 */
#include "core/rules/progress.h"

#include <inttypes.h>
#include <stdio.h>

enum { NUMBER_MAX = 40 };

void progress_make(int64_t rows, int64_t about, int64_t ms, struct progress *ret)
{
    *ret = (struct progress){.rows = rows, .left = -1};
    if (about <= rows)
        return;
    ret->about = about;
    if (rows && ms > 0)
        ret->left = (int64_t)((double)(about - rows) * (double)ms / (double)rows / 1000);
}

/* 400000 -> "400,000" */
static void grouped(int64_t number, char ret[NUMBER_MAX])
{
    char plain[NUMBER_MAX / 2 + 4];
    int len = snprintf(plain, sizeof plain, "%" PRId64, number);
    for (int i = 0; i < len; i++) {
        if (i && (len - i) % 3 == 0)
            *ret++ = ',';
        *ret++ = plain[i];
    }
    *ret = '\0';
}

/* No more exact than the estimate is. */
static void length(int64_t s, char ret[NUMBER_MAX])
{
    if (s < 120)
        snprintf(ret, NUMBER_MAX, "%" PRId64 " s", s);
    else if (s < 7200)
        snprintf(ret, NUMBER_MAX, "%" PRId64 " min", s / 60);
    else
        snprintf(ret, NUMBER_MAX, "%" PRId64 " h", s / 3600);
}

void progress_text(const struct progress *p, char ret[PROGRESS_TEXT])
{
    char rows[NUMBER_MAX], about[NUMBER_MAX], left[NUMBER_MAX];
    grouped(p->rows, rows);
    grouped(p->about, about);
    length(p->left, left);
    if (p->about && p->left >= 0)
        snprintf(ret, PROGRESS_TEXT, "%s of about %s rows read, %s left", rows, about, left);
    else if (p->about)
        snprintf(ret, PROGRESS_TEXT, "%s of about %s rows read", rows, about);
    else
        snprintf(ret, PROGRESS_TEXT, "%s rows read", rows);
}
