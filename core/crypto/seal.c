/* SPDX-License-Identifier: MIT
 * Sealed texts `r1.<key id>.<base64url(nonce | ciphertext | tag)>`: AES-256-GCM with a random
 * nonce; table, key and slot, each with its length before it, are the associated data. Used through
 * keyring.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/base/secret.h"
#include "core/crypto/crypto.h"
#include "core/crypto/seal_internal.h"

static const char prefix[] = "r1.";

enum {
    PREFIX = sizeof prefix - 1,
    FRAME = CRYPTO_NONCE + CRYPTO_TAG,
    TEXT_MAX = PREFIX + KEY_ID_MAX + 1 + (SEAL_PLAIN_MAX + FRAME) / 3 * 4 + 4,
    PLACE_MAX = 64 * 1024,
};

struct sealed {
    char id[KEY_ID_MAX + 1];
    struct buf bytes; /* nonce | ciphertext | tag */
};

static void sealed_done(struct sealed *s)
{
    buf_done(&s->bytes);
}

static int place_append(struct buf *aad, const char *table, const char *key, const char *slot)
{
    if (part_append(aad, table, strlen(table)) < 0 || part_append(aad, key, strlen(key)) < 0 ||
        part_append(aad, slot, strlen(slot)) < 0)
        return -EFBIG;
    return 0;
}

/* -EINVAL unless the text is of the sealed form from its first to its last byte. */
static int sealed_parse(const char *text, struct sealed *ret_sealed)
{
    if (text == NULL || strncmp(text, prefix, PREFIX) != 0)
        return -EINVAL;
    const char *id = text + PREFIX;
    size_t id_len = key_id_span(id);
    if (id_len == 0 || id_len > KEY_ID_MAX || id[id_len] != '.')
        return -EINVAL;
    const char *body = id + id_len + 1;
    size_t body_len = strlen(body);
    if (body_len > TEXT_MAX || base64url_decode(&ret_sealed->bytes, body, body_len) < 0 ||
        ret_sealed->bytes.len < FRAME)
        return -EINVAL;
    memcpy(ret_sealed->id, id, id_len);
    ret_sealed->id[id_len] = '\0';
    return 0;
}

static int seal_bytes(const struct crypto_gcm *how, const void *plain, size_t len, struct buf *to)
{
    unsigned char tag[CRYPTO_TAG];
    cleanup(free_p) unsigned char *cipher = xmalloc(len + 1);

    int r = crypto_gcm_seal(how, plain, len, cipher, tag);
    if (r < 0)
        return r;
    buf_append(to, how->nonce, how->nonce_len);
    buf_append(to, cipher, len);
    buf_append(to, tag, sizeof tag);
    return to->failed ? -EFBIG : 0;
}

int seal_with(const struct keyring *ring, const char *id, const char *table, const char *key, const char *slot,
              const void *plain, size_t len, char **ret_text)
{
    cleanup(buf_done) struct buf aad, bytes, text;
    unsigned char nonce[CRYPTO_NONCE];
    int r;

    buf_init(&aad, PLACE_MAX);
    buf_init(&bytes, SEAL_PLAIN_MAX + FRAME);
    buf_init(&text, TEXT_MAX);
    const unsigned char *key_bytes = id ? keyring_key(ring, id) : NULL;
    if (key_bytes == NULL)
        return -ENOKEY;
    if (len > SEAL_PLAIN_MAX || place_append(&aad, table, key, slot) < 0)
        return -EFBIG;
    if ((r = crypto_nonce(nonce, sizeof nonce)) < 0)
        return r;
    struct crypto_gcm how = {key_bytes, nonce, sizeof nonce, aad.data, aad.len};
    if ((r = seal_bytes(&how, plain, len, &bytes)) < 0)
        return r;
    buf_printf(&text, "%s%s.", prefix, id);
    base64url_encode(&text, bytes.data, bytes.len);
    if (text.failed)
        return -EFBIG;
    *ret_text = buf_steal(&text);
    return 0;
}

int seal(const struct keyring *ring, const char *table, const char *key, const char *slot, const void *plain,
         size_t len, char **ret_text)
{
    return seal_with(ring, keyring_first(ring), table, key, slot, plain, len, ret_text);
}

static int why(const char **ret_why, const char *text, int code)
{
    if (ret_why != NULL)
        *ret_why = text;
    return code;
}

int seal_open(const struct keyring *ring, const char *table, const char *key, const char *slot, const char *text,
              struct secret **ret_plain, const char **ret_why)
{
    cleanup(buf_done) struct buf aad = {0};
    cleanup(sealed_done) struct sealed s;

    buf_init(&aad, PLACE_MAX);
    buf_init(&s.bytes, SEAL_PLAIN_MAX + FRAME);
    if (sealed_parse(text, &s) < 0)
        return why(ret_why, "it is not a sealed value of the form r1.KEY-ID.DATA", -EINVAL);
    const unsigned char *key_bytes = keyring_key(ring, s.id);
    if (key_bytes == NULL)
        return why(ret_why, "it is sealed with a key that is not among the configured keys", -ENOKEY);
    if (place_append(&aad, table, key, slot) < 0)
        return why(ret_why, "the name of its table, row or column is too long", -EFBIG);
    const unsigned char *bytes = (const unsigned char *)s.bytes.data;
    size_t len = s.bytes.len - FRAME;
    struct crypto_gcm how = {key_bytes, bytes, CRYPTO_NONCE, aad.data, aad.len};
    unsigned char *plain = xmalloc(len + 1);
    int r = crypto_gcm_open(&how, bytes + CRYPTO_NONCE, len, bytes + CRYPTO_NONCE + len, plain);
    if (r == 0)
        *ret_plain = secret_new(plain, len);
    crypto_wipe(plain, len);
    free(plain);
    if (r < 0)
        return why(ret_why,
                   "it cannot be decrypted: it was sealed with another key, copied from another row, or damaged",
                   r);
    return 0;
}

bool seal_is_sealed(const char *text)
{
    cleanup(sealed_done) struct sealed s;

    buf_init(&s.bytes, SEAL_PLAIN_MAX + FRAME);
    return sealed_parse(text, &s) == 0;
}

int seal_key_id(const char *text, char **ret_id)
{
    cleanup(sealed_done) struct sealed s;

    buf_init(&s.bytes, SEAL_PLAIN_MAX + FRAME);
    int r = sealed_parse(text, &s);
    if (r == 0)
        *ret_id = xstrdup(s.id);
    return r;
}
