/* SPDX-License-Identifier: MIT
 * What keyring.c and seal.c share; no other file includes it.
 */
#ifndef CORE_CRYPTO_SEAL_INTERNAL_H
#define CORE_CRYPTO_SEAL_INTERNAL_H

#include <stddef.h>

struct buf;
struct keyring;

/* The number of leading bytes of the text that are allowed in a key id. */
size_t key_id_span(const char *text);
/* Appends data with its length before it (8 bytes, big endian), so that the parts stay distinct.
 */
int part_append(struct buf *to, const void *data, size_t len);
/* seal() with the key of this id. */
int seal_with(const struct keyring *ring, const char *id, const char *table, const char *key, const char *slot,
              const void *plain, size_t len, char **ret_text);

#endif
