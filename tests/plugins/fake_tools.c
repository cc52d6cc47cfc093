/* SPDX-License-Identifier: MIT
 * The fake service table's JSON, crypto and times: the project's own adapters, without a host.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/crypto/crypto.h"
#include "core/crypto/encoding.h"
#include "core/time/calendar.h"
#include "core/time/timestamp.h"
#include "tests/plugins/fake_internal.h"

void *fake_memory(struct renewd_call *c, size_t size)
{
    if (c->memory_count >= FAKE_ALLOCATIONS)
        return NULL;
    return c->memory[c->memory_count++] = xcalloc(1, size ? size : 1);
}

void fake_call_done(struct renewd_call *c)
{
    while (c->memory_count)
        free(c->memory[--c->memory_count]);
    while (c->document_count)
        json_free(c->documents[--c->document_count].doc);
    while (c->writer_count)
        buf_done(&c->writers[--c->writer_count].text);
}

static const char *kept(struct renewd_call *c, const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(fake_memory(c, size), text, size);
}

/* ---- JSON -------------------------------------------------------------------------------- */

const struct renewd_json *fake_json_parse(struct renewd_call *c, const char *text, size_t length)
{
    struct json *doc;

    if (!text || c->document_count >= FAKE_DOCUMENTS || json_parse(text, length, &doc, NULL) < 0)
        return NULL;
    struct renewd_json *j = &c->documents[c->document_count++];
    j->doc = doc;
    return j;
}

int32_t fake_json_kind(const struct renewd_json *j, const char *path)
{
    return j ? (int32_t)json_kind(j->doc, path) : RENEWD_JSON_ABSENT;
}

const char *fake_json_text(const struct renewd_json *j, const char *path)
{
    const char *text;
    return j && json_text(j->doc, path, &text, NULL) >= 0 ? text : NULL;
}

int32_t fake_json_integer(const struct renewd_json *j, const char *path, int64_t *ret)
{
    int r = j ? json_integer(j->doc, path, ret) : -ENOENT;
    if (r >= 0)
        return r;
    return r == -ENOENT    ? RENEWD_ABSENT
           : r == -ENODATA ? RENEWD_NULL
           : r == -ERANGE  ? RENEWD_OUT_OF_RANGE
                           : RENEWD_WRONG_TYPE;
}

int32_t fake_json_boolean(const struct renewd_json *j, const char *path)
{
    bool value = false;
    return j && json_boolean(j->doc, path, &value) == 0 && value;
}

const char *fake_json_digits(struct renewd_call *c, const struct renewd_json *j, const char *path)
{
    char *digits;

    if (!j || json_digits(j->doc, path, &digits) < 0)
        return NULL;
    const char *text = kept(c, digits);
    free(digits);
    return text;
}

size_t fake_json_count(const struct renewd_json *j, const char *path)
{
    const char *name;
    size_t n = 0;

    if (j && json_kind(j->doc, path) == JSON_ARRAY)
        return json_array_length(j->doc, path, &n) == 0 ? n : 0;
    while (j && json_member(j->doc, path, n, &name))
        n++;
    return n;
}

const char *fake_json_name(const struct renewd_json *j, const char *path, size_t index)
{
    const char *name;
    return j && json_member(j->doc, path, index, &name) ? name : NULL;
}

struct renewd_writer *fake_json_write(struct renewd_call *c)
{
    if (c->writer_count == FAKE_WRITERS)
        abort();
    struct renewd_writer *w = &c->writers[c->writer_count++];
    buf_init(&w->text, 4 << 20);
    json_writer_init(&w->writer, &w->text);
    json_begin_object(&w->writer, NULL);
    return w;
}

void fake_write_text(struct renewd_writer *w, const char *name, const char *text)
{
    json_put_text(&w->writer, name, text);
}

void fake_write_integer(struct renewd_writer *w, const char *name, int64_t number)
{
    json_put_integer(&w->writer, name, number);
}

void fake_write_raw(struct renewd_writer *w, const char *name, const char *json)
{
    struct json *doc;

    if (!json || json_parse(json, strlen(json), &doc, NULL) < 0)
        abort(); /* renewd would not send it */
    json_free(doc);
    json_put_raw(&w->writer, name, json);
}

void fake_write_open(struct renewd_writer *w, const char *name, int32_t kind)
{
    if (kind == RENEWD_JSON_ARRAY)
        json_begin_array(&w->writer, name);
    else
        json_begin_object(&w->writer, name);
}

void fake_write_close(struct renewd_writer *w)
{
    json_end(&w->writer);
}

const char *fake_written(struct renewd_writer *w, size_t *ret_length)
{
    json_end(&w->writer);
    if (json_finish(&w->writer) < 0)
        abort();
    *ret_length = w->text.len;
    return w->text.data;
}

/* ---- Crypto ------------------------------------------------------------------------------ */

void fake_sha256(const void *data, size_t length, uint8_t *ret_32)
{
    if (crypto_sha256(data, length, ret_32) < 0)
        abort();
}

void fake_hmac_sha256(const void *key, size_t key_length, const void *data, size_t length, uint8_t *ret_32)
{
    if (crypto_hmac_sha256(key, key_length, data, length, ret_32) < 0)
        abort();
}

int32_t fake_equal(const void *a, const void *b, size_t length)
{
    return crypto_equal(a, b, length);
}

static const char *encoded(struct renewd_call *c, const void *data, size_t length,
                           int (*encode)(struct buf *, const void *, size_t))
{
    struct buf b;

    buf_init(&b, 1 << 20);
    if (encode(&b, data, length) < 0)
        abort();
    const char *text = kept(c, b.data ? b.data : "");
    buf_done(&b);
    return text;
}

const char *fake_hex(struct renewd_call *c, const void *data, size_t length)
{
    return encoded(c, data, length, hex_encode);
}

const char *fake_base64(struct renewd_call *c, const void *data, size_t length)
{
    return encoded(c, data, length, base64_encode);
}

const char *fake_base64url(struct renewd_call *c, const void *data, size_t length)
{
    return encoded(c, data, length, base64url_encode);
}

/* ---- Times ------------------------------------------------------------------------------- */

int32_t fake_parse_time(const char *text, int64_t *ret)
{
    return text && timestamp_parse(text, ret, NULL) == 0 ? 0 : -1;
}

const char *fake_format_time(struct renewd_call *c, int64_t time)
{
    char text[TIMESTAMP_SIZE];

    if (timestamp_rfc3339(time, text, sizeof(text)) < 0)
        return "";
    return kept(c, text);
}

int32_t fake_parse_http_date(const char *text, int64_t *ret)
{
    return text && httpdate_parse(text, 0, ret) == 0 ? 0 : -1;
}

int64_t fake_add_months(int64_t time, int32_t anchor_day, int32_t months)
{
    return calendar_add_months(time, anchor_day, months);
}

int32_t fake_add_months_in(struct renewd_host *h, int64_t time, int32_t anchor_day, int32_t months,
                           const char *zone, int64_t *ret)
{
    struct zone *z = NULL;
    struct error e;

    (void)h;
    if (zone_load(zone ? zone : "UTC", &z, &e) < 0)
        return RENEWD_WRONG_TYPE;
    *ret = calendar_add_months_in(z, time, anchor_day, months);
    zone_free(z);
    return RENEWD_FOUND;
}

int32_t fake_day_in(struct renewd_host *h, int64_t time, const char *zone)
{
    struct zone *z = NULL;
    struct error e;

    (void)h;
    if (zone_load(zone ? zone : "UTC", &z, &e) < 0)
        return 0;
    int32_t day = calendar_day_in(z, time);
    zone_free(z);
    return day;
}
