/* SPDX-License-Identifier: MIT
 * What the two files of the fake service table share.
 */
#ifndef TESTS_FAKE_INTERNAL_H
#define TESTS_FAKE_INTERNAL_H

#include "core/base/buf.h"
#include "core/json/json.h"
#include "tests/plugins/fake_services.h"

enum { FAKE_ALLOCATIONS = 4096, FAKE_DOCUMENTS = 16, FAKE_WRITERS = 4 };

struct renewd_json {
    struct json *doc;
};

struct renewd_writer {
    struct buf text;
    struct json_writer writer;
};

struct renewd_call {
    struct fake *fake;
    struct renewd_request *request;
    void *memory[FAKE_ALLOCATIONS];
    size_t memory_count;
    struct renewd_json documents[FAKE_DOCUMENTS];
    size_t document_count;
    struct renewd_writer writers[FAKE_WRITERS];
    size_t writer_count;
};

void *fake_memory(struct renewd_call *c, size_t size);
/* Frees what the callback was given. */
void fake_call_done(struct renewd_call *c);

const struct renewd_json *fake_json_parse(struct renewd_call *c, const char *text, size_t length);
int32_t fake_json_kind(const struct renewd_json *j, const char *path);
const char *fake_json_text(const struct renewd_json *j, const char *path);
int32_t fake_json_integer(const struct renewd_json *j, const char *path, int64_t *ret);
int32_t fake_json_boolean(const struct renewd_json *j, const char *path);
const char *fake_json_digits(struct renewd_call *c, const struct renewd_json *j, const char *path);
size_t fake_json_count(const struct renewd_json *j, const char *path);
const char *fake_json_name(const struct renewd_json *j, const char *path, size_t index);

struct renewd_writer *fake_json_write(struct renewd_call *c);
void fake_write_text(struct renewd_writer *w, const char *name, const char *text);
void fake_write_integer(struct renewd_writer *w, const char *name, int64_t number);
void fake_write_raw(struct renewd_writer *w, const char *name, const char *json);
void fake_write_open(struct renewd_writer *w, const char *name, int32_t kind);
void fake_write_close(struct renewd_writer *w);
const char *fake_written(struct renewd_writer *w, size_t *ret_length);

void fake_sha256(const void *data, size_t length, uint8_t *ret_32);
void fake_hmac_sha256(const void *key, size_t key_length, const void *data, size_t length, uint8_t *ret_32);
int32_t fake_equal(const void *a, const void *b, size_t length);
const char *fake_hex(struct renewd_call *c, const void *data, size_t length);
const char *fake_base64(struct renewd_call *c, const void *data, size_t length);
const char *fake_base64url(struct renewd_call *c, const void *data, size_t length);

int32_t fake_parse_time(const char *text, int64_t *ret);
const char *fake_format_time(struct renewd_call *c, int64_t time);
int32_t fake_parse_http_date(const char *text, int64_t *ret);
int64_t fake_add_months(int64_t time, int32_t anchor_day, int32_t months);
int32_t fake_add_months_in(struct renewd_host *h, int64_t time, int32_t anchor_day, int32_t months,
                           const char *zone, int64_t *ret);
int32_t fake_day_in(struct renewd_host *h, int64_t time, const char *zone);

#endif
