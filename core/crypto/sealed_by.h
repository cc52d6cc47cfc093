/* SPDX-License-Identifier: MIT
 * Values that another program has sealed, by their look. Nothing opens them here; they are no tokens.
 */
#ifndef CORE_CRYPTO_SEALED_BY_H
#define CORE_CRYPTO_SEALED_BY_H

#include <stddef.h>

/* By whom, in words for people; NULL: it has no such look. */
const char *sealed_by_other(const char *text, size_t len);

#endif
