/* SPDX-License-Identifier: MIT
 * Recognises values that another program has sealed, by their form. renewd cannot open them and must not use them
 * as tokens.
 */
#ifndef CORE_CRYPTO_SEALED_BY_H
#define CORE_CRYPTO_SEALED_BY_H

#include <stddef.h>

/* The program, in words for people; NULL: the value has no such form. */
const char *sealed_by_other(const char *text, size_t len);

#endif
