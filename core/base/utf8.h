/* SPDX-License-Identifier: MIT
 * Makes text from outside safe for a log, a column or a terminal.
 */
#ifndef CORE_BASE_UTF8_H
#define CORE_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* In place: each invalid byte -> '?', each control (C0, DEL, C1) -> ' ', cut to at most max bytes
 * without splitting a character. The text never grows. */
void utf8_clean(char *text, size_t max);

/* The length of the valid character at text (1..4), 0 when it is not valid or left is too small. */
size_t utf8_char(const char *text, size_t left);

/* Whether all len bytes are valid UTF-8 (no surrogates, no overlong forms). */
bool utf8_valid(const char *text, size_t len);

#endif
