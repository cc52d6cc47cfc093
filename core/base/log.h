/* SPDX-License-Identifier: MIT
 * One line of key=value to stderr, for the engine and the programs; libraries below return errors
 * instead. No secret is ever given to it.
 */
#ifndef CORE_BASE_LOG_H
#define CORE_BASE_LOG_H

#include <stdbool.h>

enum log_level { LEVEL_ERROR, LEVEL_WARNING, LEVEL_INFO, LEVEL_DEBUG };

/* Lines above max are dropped. The default is LEVEL_INFO. Before the first line and before there are threads: a line
 * begins with the time (RFC 3339, UTC), or, where stderr is the journal (JOURNAL_STREAM, see systemd.exec(5)), with its
 * priority ("<3>"), for the journal knows the time. */
void log_setup(enum log_level max);
bool log_enabled(enum log_level level);

/* log_line(LEVEL_INFO, "token refreshed", "job", name, "record", id, NULL):
 * time=2026-11-29T20:15:00.123Z level=info msg="token refreshed" job=youtube record=5
 * A pair whose value is NULL or empty is left out; each value is cut at 500 bytes. Any thread. */
void log_line(enum log_level level, const char *message, ...) __attribute__((sentinel));

#endif
