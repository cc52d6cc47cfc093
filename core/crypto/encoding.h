/* SPDX-License-Identifier: MIT
 * Bytes as text and back: hex, base64, base64url (RFC 4648). Used for sealed values, fingerprints
 * and by plugins through the service table. Decoders are strict: one text for one value, anything
 * else is -EINVAL, and a decoder that fails leaves its output as it was.
 */
#ifndef CORE_CRYPTO_ENCODING_H
#define CORE_CRYPTO_ENCODING_H

#include <stddef.h>

struct buf;

/* Encoders append to `to`: 0, or -ENOBUFS when it would grow past its limit. */
int hex_encode(struct buf *to, const void *data, size_t len);       /* lower case */
int base64_encode(struct buf *to, const void *data, size_t len);    /* with padding */
int base64url_encode(struct buf *to, const void *data, size_t len); /* without padding */

/* Decoders append to `to`: 0, -EINVAL, or -ENOBUFS. Both cases of hex; padding is required in
 * base64 and refused in base64url; unused bits must be zero; no blanks. */
int hex_decode(struct buf *to, const char *text, size_t len);
int base64_decode(struct buf *to, const char *text, size_t len);
int base64url_decode(struct buf *to, const char *text, size_t len);

#endif
