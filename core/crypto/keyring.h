/* SPDX-License-Identifier: MIT
 * The key ring: named 256-bit keys, of which the first seals and all open, the sealed text form
 * `r1.<key id>.<base64url(nonce | ciphertext | tag)>`, check values and fingerprints.
 * Used by the store and the spool; it never reads a key from anywhere by itself.
 */
#ifndef CORE_CRYPTO_KEYRING_H
#define CORE_CRYPTO_KEYRING_H

#include <stdbool.h>
#include <stddef.h>

struct error;
struct keyring;
struct secret;

enum { KEY_ID_MAX = 64, KEYRING_MAX = 64, SEAL_PLAIN_MAX = 1024 * 1024 };

int keyring_new(struct keyring **ret_ring);
void keyring_free(struct keyring *ring);
void keyring_free_p(struct keyring **ring);
/* Ids are [A-Za-z0-9_-]{1,64} (a dot would end the id in the sealed form); a key is 64 hex digits.
 * -EINVAL, -EEXIST (id twice), -ENOSPC; the sentence never holds the key. */
int keyring_add(struct keyring *ring, const char *id, const char *hex64, struct error *e);
/* The id that seals; NULL for an empty ring. */
const char *keyring_first(const struct keyring *ring);
size_t keyring_count(const struct keyring *ring);
const char *keyring_id_at(const struct keyring *ring, size_t index); /* NULL past the end */
bool keyring_has(const struct keyring *ring, const char *id);
/* The 32 bytes of one key for other sealed forms, owned by the ring; NULL when unknown.
 */
const unsigned char *keyring_key(const struct keyring *ring, const char *id);

/* Seals with the ring's first key. The text is bound to table, key and slot and opens only there. ret_text is
 * malloc'd. -ENOKEY empty ring, -EFBIG too long, -EIO no random bytes. */
int seal(const struct keyring *ring, const char *table, const char *key, const char *slot, const void *plain,
         size_t len, char **ret_text);
/* -EINVAL: not of the sealed form; -ENOKEY: its key id is not in the ring; -EBADMSG: it does not open (wrong
 * key, other place, changed). ret_why (may be NULL) gets a constant half sentence on failure. */
int seal_open(const struct keyring *ring, const char *table, const char *key, const char *slot, const char *text,
              struct secret **ret_plain, const char **ret_why);
/* True when the whole text has the sealed form; it need not open. */
bool seal_is_sealed(const char *text);
/* The key id in a sealed text, malloc'd; -EINVAL when it is not of the sealed form. */
int seal_key_id(const char *text, char **ret_id);

/* The check value of one key: a sealed constant that is kept in the database per key id. */
int keyring_check_value(const struct keyring *ring, const char *id, char **ret_text);
/* 0 when the stored check value opens with the ring's key of that id; else as seal_open. */
int keyring_check_verify(const struct keyring *ring, const char *id, const char *text);

/* Keyed hash (HMAC-SHA256) of a credential under plugin and slot, as 64 hex digits. */
int fingerprint(const unsigned char key[32], const char *plugin, const char *slot, const void *value, size_t len,
                char ret_hex[65]);

#endif
