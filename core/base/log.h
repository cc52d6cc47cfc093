/* SPDX-License-Identifier: MIT
 * One line of key=value to stderr, for the engine and the programs; libraries below return errors
 * instead. No secret is ever given to it.
 */
#ifndef CORE_BASE_LOG_H
#define CORE_BASE_LOG_H

#include <stdbool.h>

enum log_level { LEVEL_ERROR, LEVEL_WARNING, LEVEL_INFO, LEVEL_DEBUG };

/* Lines above max are dropped. The default is LEVEL_INFO. */
void log_setup(enum log_level max);
bool log_enabled(enum log_level level);

/* log_line(LEVEL_INFO, "token refreshed", "job", name, "record", id, NULL):
 * level=info msg="token refreshed" job=youtube record=5
 * A pair whose value is NULL is left out; each value is cut at 500 bytes. Any thread. */
void log_line(enum log_level level, const char *message, ...) __attribute__((sentinel));

#endif
