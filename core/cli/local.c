/* SPDX-License-Identifier: MIT
 * The commands that need no daemon: the next times of a schedule, and a new key.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/cli/cli.h"
#include "core/crypto/crypto.h"
#include "core/time/cron.h"
#include "core/time/timestamp.h"

enum { COUNT_DEFAULT = 5, COUNT_MAX = 10000, MINUTE = 60, HOUR = 3600 };

/* "Sat 2026-11-21 14:00:00 +01:00" */
static void print_local(const struct zone *z, int64_t at)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    struct civil t;
    int64_t offset = zone_offset(z, at);
    int64_t east = offset < 0 ? -offset : offset;

    zone_to_local(z, at, &t);
    printf("%s %04" PRId64 "-%02d-%02d %02d:%02d:%02d %c%02" PRId64 ":%02" PRId64 "\n", days[t.weekday], t.year,
           t.month, t.day, t.hour, t.minute, t.second, offset < 0 ? '-' : '+', east / HOUR, east / MINUTE % 60);
}

static void print_utc(int64_t at, bool first)
{
    char text[TIMESTAMP_SIZE];

    if (timestamp_rfc3339(at, text, sizeof text) >= 0)
        printf("%s\"%s\"", first ? "" : ",", text);
}

static int take_count(const struct ctl *c, long *ret)
{
    char *end;

    *ret = COUNT_DEFAULT;
    if (!c->count)
        return 0;
    errno = 0;
    long n = strtol(c->count, &end, 10);
    if (errno || *end || end == c->count || n < 1 || n > COUNT_MAX)
        return ctl_fail(c, EXIT_USAGE, "usage", "-n takes a number from 1 to %d, not \"%.60s\"", (int)COUNT_MAX,
                        c->count);
    *ret = n;
    return 0;
}

static int print_times(const struct ctl *c, const struct cron *cron, const struct zone *z, int64_t from, long count)
{
    int64_t at = from;
    long n = 0;

    if (c->json)
        putchar('[');
    for (; n < count && cron_next(cron, z, at, &at) == 0; n++)
        if (c->json)
            print_utc(at, n == 0);
        else
            print_local(z, at);
    if (c->json)
        puts("]");
    else if (n == 0)
        puts("it does not fire again before the year 10000");
    return EXIT_DONE;
}

int ctl_next(const struct ctl *c)
{
    cleanup(zone_free_p) struct zone *z = NULL;
    struct cron cron;
    struct error e = {""};
    int64_t from = clock_now();
    long count;

    if (strcmp(c->args[0], "auto") == 0)
        return ctl_fail(c, EXIT_USAGE, "usage",
                        "\"auto\" is not an expression: each record has its own time; `renewctl "
                        "records` shows it");
    if (cron_parse(c->args[0], &cron, &e) < 0 || zone_load(c->timezone ? c->timezone : "UTC", &z, &e) < 0)
        return ctl_fail(c, EXIT_USAGE, "usage", "%s", e.text);
    if (c->from && timestamp_parse(c->from, &from, NULL) < 0)
        return ctl_fail(c, EXIT_USAGE, "usage", "--from takes a time like 2026-03-29T00:30:00Z, not \"%.60s\"",
                        c->from);
    int r = take_count(c, &count);
    return r != 0 ? r : print_times(c, &cron, z, from, count);
}

int ctl_keygen(const struct ctl *c)
{
    char key[65];

    if (crypto_keygen(key) < 0)
        return ctl_fail(c, EXIT_FAILED, "no_random", "the system gave no random bytes");
    printf(c->json ? "{\"key\":\"%s\"}\n" : "%s\n", key);
    crypto_wipe(key, sizeof key);
    return EXIT_DONE;
}
