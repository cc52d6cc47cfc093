/* SPDX-License-Identifier: MIT
 * The service table that `open` gets, and its short members: settings, log, fail, memory, crypto,
 * time. Requests, JSON, effects and views have files of their own.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/map.h"
#include "core/base/utf8.h"
#include "core/crypto/crypto.h"
#include "core/plugin/call.h"
#include "core/rules/outcome.h"
#include "core/time/calendar.h"
#include "core/time/timestamp.h"
#include "core/time/zone.h"

static const char *setting_text(struct renewd_host *host, const char *name)
{
    return name ? settings_text(host->settings, name) : NULL;
}

static int64_t setting_integer(struct renewd_host *host, const char *name)
{
    return name ? settings_integer(host->settings, name) : 0;
}

static int32_t setting_member(struct renewd_host *host, const char *group, size_t index, const char **ret_name,
                              const char **ret_value)
{
    return group && settings_member(host->settings, group, index, ret_name, ret_value);
}

static int64_t now(struct renewd_host *host)
{
    (void)host;
    return clock_now();
}

static void log_text(struct renewd_host *host, int32_t level, const char *text)
{
    char line[TEXT_SIZE];

    if (level < RENEWD_LOG_ERROR || level > RENEWD_LOG_DEBUG)
        level = RENEWD_LOG_INFO;
    if (!log_enabled((enum log_level)level))
        return;
    host_outside(host, text, line, sizeof(line));
    log_line((enum log_level)level, line, "plugin", host->plugin->name, "job", host->job, "record",
             host->call ? view_key(host->call->view) : NULL, "account",
             host->call ? view_account(host->call->view) : NULL, NULL);
}

static int32_t service_fail(struct renewd_call *c, int32_t outcome, const char *code, const char *text)
{
    if (outcome < OUTCOME_TRANSIENT || outcome > OUTCOME_AMBIGUOUS) {
        call_break(c, "failed with an unknown outcome (%d)", outcome);
        outcome = OUTCOME_TRANSIENT;
    }
    c->failed = true;
    c->outcome = outcome;
    host_outside(c->host, code, c->code, sizeof(c->code));
    host_outside(c->host, text, c->text, sizeof(c->text));
    size_t len = strlen(c->text);
    if (c->spoiled && *c->spoiled)
        snprintf(c->text + len, sizeof(c->text) - len,
                 "; in its answer %.100s is not text (NUL, bytes that are no UTF-8, or "
                 "half a surrogate pair)",
                 c->spoiled);
    utf8_clean(c->text, sizeof(c->text) - 1);
    return RENEWD_FAILED;
}

static const char *join(struct renewd_call *c, const char *const *parts)
{
    size_t total = 0, at = 0;

    for (size_t i = 0; parts[i]; i++) {
        total += strlen(parts[i]);
        if (total > CALL_MEMORY)
            break;
    }
    char *text = total <= CALL_MEMORY ? call_alloc(c, total + 1) : NULL;
    if (!text) {
        call_break(c, "used more than 1 MiB of memory");
        return "";
    }
    for (size_t i = 0; parts[i]; i++) {
        size_t len = strlen(parts[i]);
        memcpy(text + at, parts[i], len);
        at += len;
    }
    return text;
}

static void sha256(const void *data, size_t len, uint8_t *ret_32)
{
    if (crypto_sha256(data, len, ret_32) < 0)
        memset(ret_32, 0, CRYPTO_HASH);
}

static void hmac_sha256(const void *key, size_t key_len, const void *data, size_t len, uint8_t *ret_32)
{
    if (crypto_hmac_sha256(key, key_len, data, len, ret_32) < 0)
        memset(ret_32, 0, CRYPTO_HASH);
}

static const char *encoded(struct renewd_call *c, const void *data, size_t len,
                           int (*encode)(struct buf *, const void *, size_t))
{
    struct buf b;
    const char *text = "";

    buf_init(&b, CALL_MEMORY);
    if (encode(&b, data, len) == 0)
        text = call_text(c, b.data, b.len);
    else
        call_break(c, "used more than 1 MiB of memory");
    buf_done(&b);
    return text;
}

static const char *service_hex(struct renewd_call *c, const void *data, size_t len)
{
    return encoded(c, data, len, hex_encode);
}

static const char *base64(struct renewd_call *c, const void *data, size_t len)
{
    return encoded(c, data, len, base64_encode);
}

static const char *base64url(struct renewd_call *c, const void *data, size_t len)
{
    return encoded(c, data, len, base64url_encode);
}

static int32_t random_bytes(void *ret, size_t len)
{
    return crypto_random(ret, len) < 0 ? -1 : 0;
}

static int32_t equal(const void *a, const void *b, size_t len)
{
    return crypto_equal(a, b, len);
}

static int32_t parse_time(const char *text, int64_t *ret)
{
    return text && timestamp_parse(text, ret, NULL) == 0 ? 0 : -1;
}

static const char *format_time(struct renewd_call *c, int64_t time)
{
    char text[TIMESTAMP_SIZE];

    if (timestamp_rfc3339(time, text, sizeof(text)) < 0) {
        call_break(c, "wanted a time outside the years 1 to 9999 as text");
        return "";
    }
    return call_text(c, text, strlen(text));
}

static int32_t parse_http_date(const char *text, int64_t *ret)
{
    return text && httpdate_parse(text, clock_now(), ret) == 0 ? 0 : -1;
}

static const char *format_http_date(struct renewd_call *c, int64_t time)
{
    char text[TIMESTAMP_SIZE];

    if (httpdate_format(time, text, sizeof(text)) < 0) {
        call_break(c, "wanted a time outside the years 1 to 9999 as text");
        return "";
    }
    return call_text(c, text, strlen(text));
}

static int64_t add_months(int64_t time, int32_t anchor_day, int32_t months)
{
    return calendar_add_months(time, anchor_day, months);
}

enum { ZONES_MAX = 600 };

/* NULL: this machine has none of that name. Names come from rows: so many are kept, and no more. */
static const struct zone *find_zone(struct renewd_host *host, const char *name)
{
    struct zone *zone = NULL;
    struct error e;

    if ((!name || !*name) && host->zone)
        return host->zone;
    if (!host->zones)
        host->zones = map_new();
    name = name && *name ? name : "UTC";
    zone = map_get(host->zones, name);
    if (zone || map_count(host->zones) >= ZONES_MAX || zone_load(name, &zone, &e) < 0)
        return zone;
    map_put(host->zones, name, zone);
    return zone;
}

static int32_t add_months_in(struct renewd_host *host, int64_t time, int32_t anchor_day, int32_t months,
                             const char *zone, int64_t *ret)
{
    const struct zone *z = find_zone(host, zone);

    if (!z)
        return RENEWD_WRONG_TYPE;
    *ret = calendar_add_months_in(z, time, anchor_day, months);
    return *ret <= CIVIL_FIRST || *ret >= CIVIL_LAST ? RENEWD_OUT_OF_RANGE : RENEWD_FOUND;
}

static int32_t day_in(struct renewd_host *host, int64_t time, const char *zone)
{
    const struct zone *z = find_zone(host, zone);
    return z ? calendar_day_in(z, time) : 0;
}

const struct renewd_services host_services = {
    .size = sizeof(struct renewd_services),
    .minor = RENEWD_MINOR,
    .setting_text = setting_text,
    .setting_integer = setting_integer,
    .setting_member = setting_member,
    .now = now,
    .log = log_text,
    .fail = service_fail,
    .memory = call_alloc,
    .join = join,
    .slot = service_slot,
    .request = service_request,
    .query = service_query,
    .header = service_header,
    .form = service_form,
    .body = service_body,
    .request_bytes = service_request_bytes,
    .reply_header = service_reply_header,
    .percent_encode = service_percent_encode,
    .json_parse = service_json_parse,
    .json_kind = service_json_kind,
    .json_text = service_json_text,
    .json_integer = service_json_integer,
    .json_boolean = service_json_boolean,
    .json_digits = service_json_digits,
    .json_count = service_json_count,
    .json_name = service_json_name,
    .json_write = service_json_write,
    .write_text = service_write_text,
    .write_integer = service_write_integer,
    .write_raw = service_write_raw,
    .write_open = service_write_open,
    .write_close = service_write_close,
    .written = service_written,
    .sha256 = sha256,
    .hmac_sha256 = hmac_sha256,
    .hex = service_hex,
    .base64 = base64,
    .base64url = base64url,
    .random = random_bytes,
    .equal = equal,
    .parse_time = parse_time,
    .format_time = format_time,
    .parse_http_date = parse_http_date,
    .format_http_date = format_http_date,
    .add_months = add_months,
    .set_text = service_set_text,
    .set_time = service_set_time,
    .set_integer = service_set_integer,
    .set_null = service_set_null,
    .memo = service_memo,
    .run = service_run,
    .once = service_once,
    .add_months_in = add_months_in,
    .day_in = day_in,
};
