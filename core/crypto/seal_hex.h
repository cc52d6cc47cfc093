/* SPDX-License-Identifier: MIT
 * The sealed form that applications wrote before renewd: hex(iv) ":" hex(tag) ":" hex(ciphertext),
 * AES-256-GCM with a 16-byte tag and no associated data. Read and written so that applications that
 * share the table keep working.
 */
#ifndef CORE_CRYPTO_SEAL_HEX_H
#define CORE_CRYPTO_SEAL_HEX_H

#include <stddef.h>

struct secret;

/* Writes with a random 12-byte iv. 0 or a negative errno; *ret_text is malloc'd. */
int seal_hex(const unsigned char key[32], const void *plain, size_t len, char **ret_text);
/* -EINVAL not of that form, -EBADMSG another key or damaged. Accepts an iv of 8 to 32 bytes. */
int seal_hex_open(const unsigned char key[32], const char *text, struct secret **ret_plain);

#endif
