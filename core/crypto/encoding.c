/* SPDX-License-Identifier: MIT
 * Hex, base64 and base64url both ways, strictly. Needs no library. Intermediate bytes may be keys
 * or tokens, so they are wiped.
 */
#include "core/crypto/encoding.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/digits.h"

static const char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Append what was prepared in data, then wipe and free it. */
static int append_wiped(struct buf *to, char *data, size_t len)
{
    int r = buf_append(to, data, len);

    explicit_bzero(data, len);
    free(data);
    return r;
}

int hex_encode(struct buf *to, const void *data, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *bytes = data;

    if (len > SIZE_MAX / 2 - 1)
        return -ENOBUFS;
    char *text = xmalloc(2 * len + 1);
    for (size_t i = 0; i < len; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    return append_wiped(to, text, 2 * len);
}

int hex_decode(struct buf *to, const char *text, size_t len)
{
    if (len % 2 != 0)
        return -EINVAL;
    for (size_t i = 0; i < len; i++)
        if (digit_hex(text[i]) < 0)
            return -EINVAL;
    char *data = xmalloc(len / 2 + 1);
    for (size_t i = 0; i < len / 2; i++)
        data[i] = (char)(digit_hex(text[2 * i]) << 4 | digit_hex(text[2 * i + 1]));
    return append_wiped(to, data, len / 2);
}

/* What is left of the data after the whole groups of three bytes. */
static void encode_rest(const char *alphabet, bool padding, const unsigned char *in, size_t len, char *text)
{
    uint32_t bits = (uint32_t)in[0] << 16 | (len > 1 ? (uint32_t)in[1] << 8 : 0);
    size_t out = 0;

    text[out++] = alphabet[bits >> 18];
    text[out++] = alphabet[bits >> 12 & 63];
    if (len > 1)
        text[out++] = alphabet[bits >> 6 & 63];
    while (padding && out < 4)
        text[out++] = '=';
}

static int encoding_encode(struct buf *to, const char *alphabet, bool padding, const void *data, size_t len)
{
    const unsigned char *in = data;
    size_t groups = len / 3, rest = len % 3;

    if (len > SIZE_MAX / 2)
        return -ENOBUFS;
    char *text = buf_extend(to, 4 * groups + (rest == 0 ? 0 : padding ? 4 : rest + 1));
    if (text == NULL)
        return -ENOBUFS;
    for (size_t i = 0; i < groups; i++, in += 3, text += 4) {
        uint32_t bits = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
        text[0] = alphabet[bits >> 18];
        text[1] = alphabet[bits >> 12 & 63];
        text[2] = alphabet[bits >> 6 & 63];
        text[3] = alphabet[bits & 63];
    }
    if (rest > 0)
        encode_rest(alphabet, padding, in, rest, text);
    return 0;
}

int base64_encode(struct buf *to, const void *data, size_t len)
{
    return encoding_encode(to, standard, true, data, len);
}

int base64url_encode(struct buf *to, const void *data, size_t len)
{
    return encoding_encode(to, url_safe, false, data, len);
}

static int encoding_sextet(const char *alphabet, char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == alphabet[62])
        return 62;
    return c == alphabet[63] ? 63 : -1;
}

/* text has no padding any more. */
static int encoding_decode(struct buf *to, const char *alphabet, const char *text, size_t len)
{
    uint32_t bits = 0;
    size_t out = 0;

    if (len % 4 == 1)
        return -EINVAL;
    for (size_t i = 0; i < len; i++)
        if (encoding_sextet(alphabet, text[i]) < 0)
            return -EINVAL;
    if (len % 4 != 0 && (encoding_sextet(alphabet, text[len - 1]) & (len % 4 == 2 ? 15 : 3)) != 0)
        return -EINVAL;
    char *data = xmalloc(len / 4 * 3 + 3);
    for (size_t i = 0; i < len; i++) {
        bits = bits << 6 | (uint32_t)encoding_sextet(alphabet, text[i]);
        if (i % 4 == 1)
            data[out++] = (char)(bits >> 4);
        else if (i % 4 == 2)
            data[out++] = (char)(bits >> 2);
        else if (i % 4 == 3)
            data[out++] = (char)bits;
    }
    return append_wiped(to, data, out);
}

int base64_decode(struct buf *to, const char *text, size_t len)
{
    if (len % 4 != 0)
        return -EINVAL;
    if (len > 0 && text[len - 1] == '=')
        len -= text[len - 2] == '=' ? 2 : 1;
    return encoding_decode(to, standard, text, len);
}

int base64url_decode(struct buf *to, const char *text, size_t len)
{
    return encoding_decode(to, url_safe, text, len);
}
