/* SPDX-License-Identifier: MIT
 * Time zones from the system's IANA database (TZif files under TZDIR or /usr/share/zoneinfo). Only this part of
 * core/time reads files. UTC needs no file. Local times are counted in seconds as if they were UTC ("local
 * seconds").
 */
#ifndef CORE_TIME_ZONE_H
#define CORE_TIME_ZONE_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/time/civil.h"

struct zone;

/* "UTC", "Europe/Berlin". -EINVAL for a name that cannot be one, -ENOENT for one that is not in
 * the database, -EBADMSG for a file that is no time zone. */
int zone_load(const char *name, struct zone **ret, struct error *e);
void zone_free(struct zone *z);
void zone_free_p(struct zone **z);
const char *zone_name(const struct zone *z);

/* A zone from the bytes of a TZif file; zone_load calls this after reading. */
int zone_from_bytes(const char *name, const void *data, size_t len, struct zone **ret);

/* Seconds east of UTC. */
int64_t zone_offset(const struct zone *z, int64_t unix_time);
void zone_to_local(const struct zone *z, int64_t unix_time, struct civil *ret);

/* The period [ret_from, ret_to) around unix_time with one offset (INT64_MIN and INT64_MAX where it has no end);
 * returns that offset. Adjacent periods may have the same offset. */
int64_t zone_stretch(const struct zone *z, int64_t unix_time, int64_t *ret_from, int64_t *ret_to);

/* The instants at which the local time is `local`; returns their number. 1: ret_first = ret_last. 2: the clock
 * was turned back and both are set. 0: the time is skipped, and both are the first instant after the gap. */
int zone_to_unix(const struct zone *z, int64_t local, int64_t *ret_first, int64_t *ret_last);

#endif
