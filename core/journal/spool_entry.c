/* SPDX-License-Identifier: MIT
 * Encodes and decodes one entry of the spool. Does no input or output.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/cleanup.h"
#include "core/base/file.h"
#include "core/crypto/crypto.h"
#include "core/journal/spool_internal.h"

#define ABSENT UINT32_MAX

static void put_number(unsigned char *to, size_t size, uint64_t value)
{
    for (size_t i = 0; i < size; i++)
        to[i] = (unsigned char)(value >> (8 * (size - 1 - i)));
}

static uint64_t spool_entry_get_number(const unsigned char *from, size_t size)
{
    uint64_t value = 0;

    for (size_t i = 0; i < size; i++)
        value = value << 8 | from[i];
    return value;
}

/* What an entry is bound to besides the incarnation. */
static void entry_slot(char ret[40], int type, uint64_t sequence)
{
    snprintf(ret, 40, "%d.%llu", type, (unsigned long long)sequence);
}

static int check_of(const unsigned char *head, const char *text, size_t len, unsigned char ret[8])
{
    cleanup(buf_done) struct buf both = {0};
    unsigned char hash[CRYPTO_HASH];

    buf_init(&both, SPOOL_HEAD_SIZE + SPOOL_TEXT_MAX);
    int r = buf_append(&both, head, 24);
    if (r == 0)
        r = buf_append(&both, text, len);
    if (r == 0)
        r = crypto_sha256(both.data, both.len, hash);
    if (r == 0)
        memcpy(ret, hash, 8);
    return r;
}

static int fields_join(struct buf *to, const struct spool_field fields[SPOOL_FIELDS])
{
    for (size_t i = 0; i < SPOOL_FIELDS; i++) {
        unsigned char size[4];
        bool present = fields[i].data != NULL;

        if (fields[i].len > SEAL_PLAIN_MAX)
            return -EFBIG;
        put_number(size, sizeof size, present ? fields[i].len : ABSENT);
        if (buf_append(to, size, sizeof size) < 0 || (present && buf_append(to, fields[i].data, fields[i].len) < 0))
            return -EFBIG;
    }
    return 0;
}

static int fields_split(const char *data, size_t len, struct spool_field ret[SPOOL_FIELDS])
{
    struct spool_field fields[SPOOL_FIELDS] = {{NULL, 0}};

    for (size_t i = 0; i < SPOOL_FIELDS; i++) {
        if (len < 4)
            return -EBADMSG;
        uint64_t size = spool_entry_get_number((const unsigned char *)data, 4);
        data += 4;
        len -= 4;
        if (size == ABSENT)
            continue;
        if (size > len)
            return -EBADMSG;
        fields[i] = (struct spool_field){data, (size_t)size};
        data += size;
        len -= (size_t)size;
    }
    memcpy(ret, fields, sizeof fields);
    return len == 0 ? 0 : -EBADMSG;
}

int spool_entry_write(struct buf *to, const struct keyring *ring, const char *incarnation, int type,
                      uint64_t sequence, const struct spool_field fields[SPOOL_FIELDS])
{
    unsigned char head[SPOOL_HEAD_SIZE] = {0};
    cleanup(buf_done) struct buf plain = {0};
    cleanup(free_p) char *text = NULL;
    char slot[40];

    buf_init(&plain, SEAL_PLAIN_MAX);
    entry_slot(slot, type, sequence);
    int r = fields_join(&plain, fields);
    if (r == 0)
        r = seal(ring, "renewd_spool", incarnation, slot, plain.data, plain.len, &text);
    if (r < 0)
        return r;
    size_t len = strlen(text);
    memcpy(head, SPOOL_MAGIC, 4);
    head[4] = SPOOL_VERSION;
    head[5] = (unsigned char)type;
    put_number(head + 8, 4, len);
    put_number(head + 16, 8, sequence);
    r = check_of(head, text, len, head + 24);
    if (r == 0)
        r = buf_append(to, head, sizeof head);
    return r < 0 ? r : buf_append(to, text, len);
}

bool spool_head_read(const unsigned char bytes[SPOOL_HEAD_SIZE], struct spool_head *ret)
{
    static const unsigned char zero[4];
    uint64_t length = spool_entry_get_number(bytes + 8, 4);

    if (memcmp(bytes, SPOOL_MAGIC, 4) != 0 || memcmp(bytes + 6, zero, 2) != 0 || memcmp(bytes + 12, zero, 4) != 0 ||
        length > SPOOL_TEXT_MAX)
        return false;
    *ret = (struct spool_head){bytes[4], bytes[5], (uint32_t)length, spool_entry_get_number(bytes + 16, 8)};
    return true;
}

bool spool_check_fits(const unsigned char bytes[SPOOL_HEAD_SIZE], const char *text, size_t len)
{
    unsigned char check[8];

    return check_of(bytes, text, len, check) == 0 && memcmp(check, bytes + 24, sizeof check) == 0;
}

int spool_entry_open(const struct keyring *ring, const char *incarnation, const struct spool_head *head,
                     const char *text, struct secret **ret_plain, struct spool_field ret_fields[SPOOL_FIELDS],
                     const char **ret_why)
{
    cleanup(secret_free_p) struct secret *plain = NULL;
    char slot[40];

    *ret_why = "it was written by another version of renewd";
    if (head->version != SPOOL_VERSION)
        return -EPROTONOSUPPORT;
    entry_slot(slot, head->type, head->sequence);
    int r = seal_open(ring, "renewd_spool", incarnation, slot, text, &plain, ret_why);
    if (r < 0)
        return r;
    *ret_why = "its content has an unknown form";
    r = fields_split(secret_text(plain), secret_len(plain), ret_fields);
    if (r < 0)
        return r;
    *ret_plain = plain;
    plain = NULL;
    return 0;
}

/* With ProcSubset=pid, /proc has only processes; the service manager then passes the boot id as 32 digits. */
static int handed_boot_id(char ret[40])
{
    const char *id = getenv("RENEWD_BOOT_ID");

    if (!id || strlen(id) != 32 || strspn(id, "0123456789abcdef") != 32)
        return -ENOENT;
    snprintf(ret, 40, "%.8s-%.4s-%.4s-%.4s-%.12s", id, id + 8, id + 12, id + 16, id + 20);
    return 0;
}

int spool_boot_id(char ret[40])
{
    cleanup(buf_done) struct buf text = {0};
    int r = file_read("/proc/sys/kernel/random/boot_id", 128, &text);

    if (r < 0)
        return handed_boot_id(ret) < 0 ? r : 0;
    size_t len = strcspn(text.data, "\n");
    if (len == 0 || len >= 40)
        return -EINVAL;
    memcpy(ret, text.data, len);
    ret[len] = '\0';
    return 0;
}
