/* SPDX-License-Identifier: MIT
 * Logs one line of key=value to stderr, for the engine and the programs; the libraries below return errors instead.
 * Callers never pass a secret.
 */
#ifndef CORE_BASE_LOG_H
#define CORE_BASE_LOG_H

#include <stdbool.h>

enum log_level { LEVEL_ERROR, LEVEL_WARNING, LEVEL_INFO, LEVEL_DEBUG };

/* Lines above max are dropped. The default is LEVEL_INFO. Call it before the first line and before threads
 * start. A line begins with the time (RFC 3339, UTC). If stderr is the journal (JOURNAL_STREAM, see
 * systemd.exec(5)), it begins with its priority ("<3>") instead, since the journal adds the time. */
void log_setup(enum log_level max);
bool log_enabled(enum log_level level);

/* log_line(LEVEL_INFO, "token refreshed", "job", name, "record", id, NULL):
 * time=2026-11-29T20:15:00.123Z level=info msg="token refreshed" job=youtube record=5
 * A pair whose value is NULL or empty is left out; each value is cut at 500 bytes. Any thread. */
void log_line(enum log_level level, const char *message, ...) __attribute__((sentinel));

#endif
