/* SPDX-License-Identifier: MIT
 * The primitives of crypto.h over OpenSSL 3. It keeps no state and no key; OpenSSL wipes its own copies when its
 * contexts are freed.
 */
#include "core/crypto/crypto.h"

#include <errno.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "core/base/cleanup.h"

static const char hex_digits[] = "0123456789abcdef";

static void cipher_ctx_free_p(EVP_CIPHER_CTX **ctx)
{
    EVP_CIPHER_CTX_free(*ctx);
}

int crypto_random(void *data, size_t len)
{
    if (len > INT_MAX)
        return -EINVAL;
    return RAND_bytes(data, (int)len) == 1 ? 0 : -EIO;
}

int crypto_sha256(const void *data, size_t len, unsigned char ret_hash[CRYPTO_HASH])
{
    return EVP_Digest(data, len, ret_hash, NULL, EVP_sha256(), NULL) == 1 ? 0 : -EIO;
}

void crypto_hash_on(unsigned char io_hash[CRYPTO_HASH], const void *data, size_t len)
{
    unsigned char next[CRYPTO_HASH];

    if (crypto_hmac_sha256(io_hash, CRYPTO_HASH, data ? data : "", data ? len : 0, next) == 0)
        memcpy(io_hash, next, CRYPTO_HASH);
}

int crypto_hmac_sha256(const void *key, size_t key_len, const void *data, size_t len,
                       unsigned char ret_hash[CRYPTO_HASH])
{
    unsigned int out_len = 0;

    if (key_len > INT_MAX)
        return -EINVAL;
    /* A NULL key would mean "the key of the last call" to OpenSSL. */
    if (HMAC(EVP_sha256(), key ? key : "", (int)key_len, data, len, ret_hash, &out_len) == NULL)
        return -EIO;
    return out_len == CRYPTO_HASH ? 0 : -EIO;
}

bool crypto_equal(const void *a, const void *b, size_t len)
{
    return len == 0 || CRYPTO_memcmp(a, b, len) == 0;
}

bool crypto_equal_text(const char *a, const char *b)
{
    unsigned char hash_a[CRYPTO_HASH], hash_b[CRYPTO_HASH];

    if (a == NULL || b == NULL)
        return false;
    /* Hashes are compared, so that the time does not depend on where the texts or their lengths differ. */
    if (crypto_sha256(a, strlen(a), hash_a) < 0 || crypto_sha256(b, strlen(b), hash_b) < 0)
        return false;
    bool equal = crypto_equal(hash_a, hash_b, sizeof hash_a);
    crypto_wipe(hash_a, sizeof hash_a);
    crypto_wipe(hash_b, sizeof hash_b);
    return equal;
}

void crypto_wipe(void *data, size_t len)
{
    if (data != NULL && len > 0)
        explicit_bzero(data, len);
}

static int gcm_begin(const struct crypto_gcm *how, size_t len, int seals, EVP_CIPHER_CTX **ret_ctx)
{
    cleanup(cipher_ctx_free_p) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int done = 0;

    if (how->nonce_len == 0 || how->nonce_len > 64 || len > INT_MAX || how->aad_len > INT_MAX)
        return -EINVAL;
    if (ctx == NULL)
        return -ENOMEM;
    if (EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, NULL, NULL, seals) != 1 ||
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, (int)how->nonce_len, NULL) != 1 ||
        EVP_CipherInit_ex(ctx, NULL, NULL, how->key, how->nonce, seals) != 1)
        return -EIO;
    if (how->aad_len > 0 && EVP_CipherUpdate(ctx, NULL, &done, how->aad, (int)how->aad_len) != 1)
        return -EIO;
    *ret_ctx = ctx;
    ctx = NULL;
    return 0;
}

int crypto_gcm_seal(const struct crypto_gcm *how, const void *plain, size_t len, unsigned char *ret_cipher,
                    unsigned char ret_tag[CRYPTO_TAG])
{
    cleanup(cipher_ctx_free_p) EVP_CIPHER_CTX *ctx = NULL;
    unsigned char rest[EVP_MAX_BLOCK_LENGTH];
    int done = 0, r = gcm_begin(how, len, 1, &ctx);

    if (r < 0)
        return r;
    if (len > 0 && EVP_CipherUpdate(ctx, ret_cipher, &done, plain, (int)len) != 1)
        return -EIO;
    if (EVP_CipherFinal_ex(ctx, rest, &done) != 1 ||
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, CRYPTO_TAG, ret_tag) != 1)
        return -EIO;
    return 0;
}

int crypto_gcm_open(const struct crypto_gcm *how, const void *cipher, size_t len,
                    const unsigned char tag[CRYPTO_TAG], unsigned char *ret_plain)
{
    cleanup(cipher_ctx_free_p) EVP_CIPHER_CTX *ctx = NULL;
    unsigned char rest[EVP_MAX_BLOCK_LENGTH], expected[CRYPTO_TAG];
    int done = 0, r = gcm_begin(how, len, 0, &ctx);

    if (r < 0)
        return r;
    memcpy(expected, tag, sizeof expected);
    if (EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, CRYPTO_TAG, expected) != 1)
        return -EIO;
    if ((len > 0 && EVP_CipherUpdate(ctx, ret_plain, &done, cipher, (int)len) != 1) ||
        EVP_CipherFinal_ex(ctx, rest, &done) != 1) {
        crypto_wipe(ret_plain, len);
        return -EBADMSG;
    }
    return 0;
}

static void put_random_hex(unsigned char *data, size_t bytes, char *ret_hex)
{
    for (size_t i = 0; i < bytes; i++) {
        ret_hex[2 * i] = hex_digits[data[i] >> 4];
        ret_hex[2 * i + 1] = hex_digits[data[i] & 15];
    }
    ret_hex[2 * bytes] = '\0';
    crypto_wipe(data, bytes);
}

int crypto_id(char ret_id[33])
{
    unsigned char data[16];
    int r = crypto_nonce(data, sizeof data);
    if (r == 0)
        put_random_hex(data, sizeof data, ret_id);
    return r;
}

int crypto_keygen(char ret_hex[65])
{
    unsigned char data[CRYPTO_KEY];
    int r = crypto_random(data, sizeof data);
    if (r == 0)
        put_random_hex(data, sizeof data, ret_hex);
    return r;
}

bool crypto_certificate_is_of(const char *pem, const char *host)
{
    BIO *in = BIO_new_mem_buf(pem, -1);
    X509 *certificate = in ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;
    bool fits = certificate && X509_check_host(certificate, host, strlen(host), 0, NULL) == 1;

    X509_free(certificate);
    BIO_free(in);
    ERR_clear_error();
    return fits;
}
