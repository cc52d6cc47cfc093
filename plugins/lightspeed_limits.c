/* SPDX-License-Identifier: MIT
 * See lightspeed_limits.h.
 */
#include "lightspeed_limits.h"

#include <stdlib.h>
#include <string.h>

#define YEAR (INT64_C(365) * 86400)

/* "92.57" in thousandths; 0 when it is no number. *ret_rest stands behind it. */
static int64_t thousandths(const char *text, const char **ret_rest)
{
    int64_t value = 0, scale = 100;

    for (; *text >= '0' && *text <= '9'; text++)
        if (value < INT64_C(1000000000))
            value = value * 10 + (*text - '0') * 1000;
    if (*text == '.')
        for (text++; *text >= '0' && *text <= '9'; text++, scale /= 10)
            value += (*text - '0') * scale;
    *ret_rest = text;
    return value;
}

int64_t lightspeed_bucket_wait(const struct renewd_services *s, const struct renewd_reply *reply)
{
    const char *bucket = s->reply_header(reply, "X-LS-API-Bucket-Level");
    const char *drip_text = s->reply_header(reply, "X-LS-API-Drip-Rate");
    const char *cost_text = s->reply_header(reply, "X-LS-API-Request-Cost");
    const char *rest = "";
    int64_t level = bucket ? thousandths(bucket, &rest) : 0;
    int64_t size = *rest == '/' ? thousandths(rest + 1, &rest) : 0;
    int64_t drip = drip_text ? thousandths(drip_text, &rest) : 0;
    int64_t cost = cost_text ? thousandths(cost_text, &rest) : 0;
    int64_t room = cost > size / 10 ? cost : size / 10;
    int64_t over = level + (room < size ? room : size) - size;

    if (size <= 0 || over <= 0)
        return 0;
    if (drip <= 0)
        drip = 1000;
    return (over + drip - 1) / drip;
}

int64_t lightspeed_burst_wait(const struct renewd_services *s, const struct renewd_reply *reply)
{
    const char *burst = s->reply_header(reply, "X-LS-API-Burst-Level");
    const char *limiter = s->reply_header(reply, "X-LS-API-RateLimit-Type");
    const char *rest = "";
    int64_t level = burst ? thousandths(burst, &rest) : 0;
    int64_t most = *rest == '/' ? thousandths(rest + 1, &rest) : 0;

    return (limiter && strcmp(limiter, "api-burst-limiter") == 0) || (most > 0 && level >= most);
}

int64_t lightspeed_window_wait(const struct renewd_services *s, const struct renewd_reply *reply, int64_t now)
{
    const char *remaining = s->reply_header(reply, "X-RateLimit-Remaining");
    const char *reset = s->reply_header(reply, "X-RateLimit-Reset");
    int64_t at = 0;

    if (!remaining || !reset || strcmp(remaining, "0") != 0)
        return 0;
    if (*reset && strspn(reset, "0123456789") == strlen(reset) && strlen(reset) < 12) {
        at = strtoll(reset, NULL, 10);
        at += at > YEAR ? 0 : now;
    } else if (s->parse_http_date(reset, &at) != 0) {
        return 0;
    }
    return at > now ? at - now : 0;
}
