/* SPDX-License-Identifier: MIT
 * See seal_hex.h.
 */
#include "core/crypto/seal_hex.h"

#include <errno.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/cleanup.h"
#include "core/base/secret.h"
#include "core/crypto/crypto.h"

enum { TEXT_MAX = 4 * 1024 * 1024, IV_MIN = 8, IV_MAX = 32 };

int seal_hex(const unsigned char key[32], const void *plain, size_t len, char **ret_text)
{
    unsigned char iv[CRYPTO_NONCE], tag[CRYPTO_TAG];
    if (len > SEAL_PLAIN_MAX)
        return -EFBIG;
    int res = crypto_random(iv, sizeof iv);
    if (res < 0)
        return res;
    unsigned char *cipher = xmalloc(len + 1);
    const struct crypto_gcm how = {.key = key, .nonce = iv, .nonce_len = sizeof iv};
    res = crypto_gcm_seal(&how, plain, len, cipher, tag);
    cleanup(buf_done) struct buf text = {0};
    buf_init(&text, TEXT_MAX);
    if (res == 0) {
        hex_encode(&text, iv, sizeof iv);
        buf_char(&text, ':');
        hex_encode(&text, tag, sizeof tag);
        buf_char(&text, ':');
        hex_encode(&text, cipher, len);
        *ret_text = buf_steal(&text);
    }
    free(cipher);
    return res < 0 ? res : *ret_text ? 0 : -EFBIG;
}

int seal_hex_open(const unsigned char key[32], const char *text, struct secret **ret_plain)
{
    const char *first = strchr(text, ':');
    const char *second = first ? strchr(first + 1, ':') : NULL;
    if (!second || strchr(second + 1, ':'))
        return -EINVAL;
    cleanup(buf_done) struct buf iv, tag, cipher;
    buf_init(&iv, IV_MAX);
    buf_init(&tag, CRYPTO_TAG);
    buf_init(&cipher, SEAL_PLAIN_MAX);
    if (hex_decode(&iv, text, (size_t)(first - text)) < 0 || iv.len < IV_MIN ||
        hex_decode(&tag, first + 1, (size_t)(second - first - 1)) < 0 || tag.len != CRYPTO_TAG ||
        hex_decode(&cipher, second + 1, strlen(second + 1)) < 0)
        return -EINVAL;
    const struct crypto_gcm how = {.key = key, .nonce = (unsigned char *)iv.data, .nonce_len = iv.len};
    unsigned char *plain = xmalloc(cipher.len + 1);
    int res = crypto_gcm_open(&how, cipher.data ? cipher.data : "", cipher.len, (unsigned char *)tag.data, plain);
    if (res == 0)
        *ret_plain = secret_new(plain, cipher.len);
    crypto_wipe(plain, cipher.len);
    free(plain);
    return res;
}
