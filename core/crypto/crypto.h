/* SPDX-License-Identifier: MIT
 * The cryptographic primitives of renewd over OpenSSL 3: random bytes, SHA-256, HMAC, AES-256-GCM. Used by the key
 * ring, the store, the service table of plugins and the programs. Includes the text encodings and the key ring, so
 * that one header gives all of it. It does not read keys from anywhere.
 */
#ifndef CORE_CRYPTO_CRYPTO_H
#define CORE_CRYPTO_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>

#include "core/crypto/encoding.h"
#include "core/crypto/keyring.h"

enum { CRYPTO_HASH = 32, CRYPTO_KEY = 32, CRYPTO_TAG = 16, CRYPTO_NONCE = 12 };

/* Fills data with random bytes; -EIO when the system has none (then nothing may be sealed). */
int crypto_random(void *data, size_t len);
/* The same for nonces and names, at most 1 KiB, at a small cost; never for keys. */
int crypto_nonce(void *data, size_t len);

int crypto_sha256(const void *data, size_t len, unsigned char ret_hash[CRYPTO_HASH]);
int crypto_hmac_sha256(const void *key, size_t key_len, const void *data, size_t len,
                       unsigned char ret_hash[CRYPTO_HASH]);

/* A hash over a sequence of texts, one after the other: io_hash begins as zeros. */
void crypto_hash_on(unsigned char io_hash[CRYPTO_HASH], const void *data, size_t len);

/* True when both hold the same bytes; the time taken depends on len alone. */
bool crypto_equal(const void *a, const void *b, size_t len);
/* The same for texts of possibly different length; NULL equals nothing. */
bool crypto_equal_text(const char *a, const char *b);
void crypto_wipe(void *data, size_t len);

struct crypto_gcm {
    const unsigned char *key; /* CRYPTO_KEY bytes */
    const unsigned char *nonce;
    size_t nonce_len; /* 1 to 64; renewd's own form uses CRYPTO_NONCE */
    const void *aad;
    size_t aad_len;
};

/* AES-256-GCM. The output is exactly as long as the input; the tag is separate. crypto_gcm_open returns
 * -EBADMSG, and leaves nothing in ret_plain, when the tag does not match. */
int crypto_gcm_seal(const struct crypto_gcm *how, const void *plain, size_t len, unsigned char *ret_cipher,
                    unsigned char ret_tag[CRYPTO_TAG]);
int crypto_gcm_open(const struct crypto_gcm *how, const void *cipher, size_t len,
                    const unsigned char tag[CRYPTO_TAG], unsigned char *ret_plain);

/* A random name of an attempt or a host: 32 hex digits. */
int crypto_id(char ret_id[33]);
/* A fresh key as `renewctl keygen` prints it: 64 hex digits. The caller wipes it. */
int crypto_keygen(char ret_hex[65]);

/* Whether a certificate (PEM, the first of a chain) is for that host name. */
bool crypto_certificate_is_of(const char *pem, const char *host);

/* Whether a file of CA certificates (PEM) can be read and holds at least one, each of them whole. */
int crypto_ca_file(const char *path, struct error *e);

#endif
