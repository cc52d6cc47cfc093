/* SPDX-License-Identifier: MIT
 * A decompression bomb without a compressor: one deflate block of fixed codes that says "a zero,
 * then copy 258 bytes from one byte back" again and again (RFC 1951, 3.2.6; RFC 1952).
 */
#include <stdint.h>

#include "core/base/alloc.h"
#include "tests/sim/misbehave.h"

struct bits {
    unsigned char *data;
    size_t len;
    unsigned held, pending;
};

/* The count lowest bits of code, highest first, as Huffman codes are packed. */
static void put_code(struct bits *out, unsigned code, unsigned count)
{
    while (count--) {
        out->pending |= (code >> count & 1) << out->held;
        if (++out->held == 8) {
            out->data[out->len++] = (unsigned char)out->pending;
            out->held = out->pending = 0;
        }
    }
}

static void put_number(struct bits *out, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        out->data[out->len++] = (unsigned char)(value >> 8 * i & 0xff);
}

static uint32_t crc_of_zeros(size_t size)
{
    uint32_t table[256], crc = 0xffffffff;

    for (uint32_t i = 0; i < 256; i++) {
        table[i] = i;
        for (int k = 0; k < 8; k++)
            table[i] = (table[i] & 1) ? 0xedb88320 ^ (table[i] >> 1) : table[i] >> 1;
    }
    while (size--)
        crc = table[crc & 0xff] ^ crc >> 8;
    return ~crc;
}

char *bomb_gzip(size_t size, size_t *ret_len)
{
    static const unsigned char header[10] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255};
    struct bits out = {.data = xmalloc(size / 258 * 13 / 8 + 400)};
    size_t left = size;

    for (size_t i = 0; i < sizeof(header); i++)
        out.data[out.len++] = header[i];
    put_code(&out, 6, 3); /* the last block, fixed codes */
    while (left) {
        if (left < size && left >= 258) {
            put_code(&out, 0xc5 << 5, 13); /* length 258, distance 1 */
            left -= 258;
        } else {
            put_code(&out, 0x30, 8); /* a literal zero */
            left--;
        }
    }
    put_code(&out, 0, 7); /* end of block */
    while (out.held)
        put_code(&out, 0, 1);
    put_number(&out, crc_of_zeros(size));
    put_number(&out, (uint32_t)size);
    *ret_len = out.len;
    return (char *)out.data;
}
