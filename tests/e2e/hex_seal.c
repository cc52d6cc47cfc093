/* SPDX-License-Identifier: MIT
 * Tokens as an application seals them that renewd shares a table with: hex(iv):hex(tag):hex(data),
 * AES-256-GCM. `hex_seal seal|open` turns each line of its input into a line; the key is HEX_KEY, 64
 * digits. Stands on OpenSSL alone, so that renewd's own sealing is held against another's.
 */
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IV = 12, TAG = 16, LINE = 65536 };

static void die(const char *what)
{
    fprintf(stderr, "hex_seal: %s\n", what);
    exit(1);
}

static void put_hex(const unsigned char *data, size_t len, char end)
{
    for (size_t i = 0; i < len; i++)
        printf("%02x", data[i]);
    putchar(end);
}

/* Reads hex up to `end` into out; the text behind it. */
static const char *take_hex(const char *text, char end, unsigned char *out, size_t *ret_len)
{
    size_t n = 0;

    for (; *text && *text != end; text += 2, n++) {
        char pair[3] = {text[0], text[1], '\0'}, *rest;
        out[n] = (unsigned char)strtoul(pair, &rest, 16);
        if (*rest || rest != pair + 2)
            die("not hexadecimal");
    }
    if (*text != end)
        die("not iv:tag:data");
    *ret_len = n;
    return text + (end ? 1 : 0);
}

static void seal(EVP_CIPHER_CTX *ctx, const unsigned char *key, const char *line)
{
    static unsigned char data[LINE];
    unsigned char iv[IV], tag[TAG];
    int len = 0, rest = 0;

    if (RAND_bytes(iv, IV) != 1 || EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, iv) != 1 ||
        EVP_EncryptUpdate(ctx, data, &len, (const unsigned char *)line, (int)strlen(line)) != 1 ||
        EVP_EncryptFinal_ex(ctx, data + len, &rest) != 1 ||
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG, tag) != 1)
        die("cannot seal");
    put_hex(iv, IV, ':');
    put_hex(tag, TAG, ':');
    put_hex(data, (size_t)len, '\n');
}

static void unseal(EVP_CIPHER_CTX *ctx, const unsigned char *key, const char *line)
{
    static unsigned char iv[LINE], tag[LINE], data[LINE], plain[LINE];
    size_t iv_len, tag_len, data_len;
    int len = 0, rest = 0;

    line = take_hex(line, ':', iv, &iv_len);
    line = take_hex(line, ':', tag, &tag_len);
    take_hex(line, '\0', data, &data_len);
    if (iv_len != IV || tag_len != TAG)
        die("an iv of 12 bytes and a tag of 16 were expected");
    if (EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, iv) != 1 ||
        EVP_DecryptUpdate(ctx, plain, &len, data, (int)data_len) != 1 ||
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG, tag) != 1 ||
        EVP_DecryptFinal_ex(ctx, plain + len, &rest) != 1)
        die("another key, or damaged");
    printf("%.*s\n", len, (const char *)plain);
}

int main(int argc, char **argv)
{
    const char *hex = getenv("HEX_KEY");
    unsigned char key[LINE];
    static char line[LINE];
    size_t len = 0;

    if (argc != 2 || !hex || strlen(hex) != 64)
        die("usage: HEX_KEY=64-DIGITS hex_seal seal|open");
    take_hex(hex, '\0', key, &len);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    while (ctx && fgets(line, sizeof(line), stdin)) {
        line[strcspn(line, "\n")] = '\0';
        if (strcmp(argv[1], "seal") == 0)
            seal(ctx, key, line);
        else
            unseal(ctx, key, line);
    }
    EVP_CIPHER_CTX_free(ctx);
    return 0;
}
