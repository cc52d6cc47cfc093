/* SPDX-License-Identifier: MIT
 * The key ring, check values and fingerprints. Keys are stored as secrets and wiped with the ring. Sealing is in
 * seal.c.
 */
#include "core/crypto/keyring.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/base/error.h"
#include "core/base/secret.h"
#include "core/crypto/crypto.h"
#include "core/crypto/seal_internal.h"

static const char check_table[] = "renewd_keys", check_slot[] = "check";
static const char check_text[] = "renewd key check";

struct keyring {
    size_t count;
    struct {
        char id[KEY_ID_MAX + 1];
        struct secret *key;
    } keys[KEYRING_MAX];
};

int keyring_new(struct keyring **ret_ring)
{
    *ret_ring = xcalloc(1, sizeof **ret_ring);
    return 0;
}

void keyring_free(struct keyring *ring)
{
    if (ring == NULL)
        return;
    for (size_t i = 0; i < ring->count; i++)
        secret_free(ring->keys[i].key);
    free(ring);
}

void keyring_free_p(struct keyring **ring)
{
    keyring_free(*ring);
}

size_t key_id_span(const char *text)
{
    return strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");
}

int keyring_add(struct keyring *ring, const char *id, const char *hex64, struct error *e)
{
    size_t id_len = key_id_span(id);
    cleanup(buf_done) struct buf key = {0};

    buf_init(&key, CRYPTO_KEY);
    if (id_len == 0 || id_len > KEY_ID_MAX || id[id_len] != '\0')
        return error_set(e, -EINVAL, "a key id is 1 to %d letters, digits, '_' and '-'", KEY_ID_MAX);
    if (keyring_has(ring, id))
        return error_set(e, -EEXIST, "key %s is given twice; each id names one key", id);
    if (ring->count == KEYRING_MAX)
        return error_set(e, -ENOSPC, "key %s is one too many: at most %d keys", id, KEYRING_MAX);
    if (strlen(hex64) != 2 * CRYPTO_KEY || hex_decode(&key, hex64, 2 * CRYPTO_KEY) < 0)
        return error_set(e, -EINVAL, "key %s is not 64 hex digits (32 bytes); renewctl keygen makes one", id);
    memcpy(ring->keys[ring->count].id, id, id_len + 1);
    ring->keys[ring->count].key = secret_keep(key.data, key.len);
    ring->count++;
    return 0;
}

const char *keyring_first(const struct keyring *ring)
{
    return keyring_id_at(ring, 0);
}

size_t keyring_count(const struct keyring *ring)
{
    return ring->count;
}

const char *keyring_id_at(const struct keyring *ring, size_t index)
{
    return index < ring->count ? ring->keys[index].id : NULL;
}

bool keyring_has(const struct keyring *ring, const char *id)
{
    return keyring_key(ring, id) != NULL;
}

const unsigned char *keyring_key(const struct keyring *ring, const char *id)
{
    for (size_t i = 0; i < ring->count; i++)
        if (strcmp(ring->keys[i].id, id) == 0)
            return (const unsigned char *)secret_text(ring->keys[i].key);
    return NULL;
}

int keyring_check_value(const struct keyring *ring, const char *id, char **ret_text)
{
    return seal_with(ring, id, check_table, id, check_slot, check_text, strlen(check_text), ret_text);
}

int keyring_check_verify(const struct keyring *ring, const char *id, const char *text)
{
    cleanup(free_p) char *sealed_id = NULL;
    cleanup(secret_free_p) struct secret *plain = NULL;

    int r = seal_key_id(text, &sealed_id);
    if (r < 0)
        return r;
    if (strcmp(sealed_id, id) != 0)
        return -EBADMSG;
    r = seal_open(ring, check_table, id, check_slot, text, &plain, NULL);
    if (r < 0)
        return r;
    return crypto_equal_text(secret_text(plain), check_text) ? 0 : -EBADMSG;
}

int part_append(struct buf *to, const void *data, size_t len)
{
    unsigned char prefix[8];

    for (size_t i = 0; i < sizeof prefix; i++)
        prefix[i] = (unsigned char)((uint64_t)len >> (56 - 8 * i));
    int r = buf_append(to, prefix, sizeof prefix);
    return r < 0 ? r : buf_append(to, data, len);
}

int fingerprint(const unsigned char key[32], const char *plugin, const char *slot, const void *value, size_t len,
                char ret_hex[65])
{
    unsigned char hash[CRYPTO_HASH];
    cleanup(buf_done) struct buf parts, hex;

    buf_init(&parts, SEAL_PLAIN_MAX + 4096);
    buf_init(&hex, 64);
    if (part_append(&parts, plugin, strlen(plugin)) < 0 || part_append(&parts, slot, strlen(slot)) < 0 ||
        part_append(&parts, value, len) < 0)
        return -EFBIG;
    int r = crypto_hmac_sha256(key, CRYPTO_KEY, parts.data, parts.len, hash);
    if (r < 0)
        return r;
    r = hex_encode(&hex, hash, sizeof hash);
    if (r < 0)
        return r;
    memcpy(ret_hex, hex.data, 65);
    return 0;
}
