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
    const char *rest = "";
    int64_t level = bucket ? thousandths(bucket, &rest) : 0;
    int64_t size = *rest == '/' ? thousandths(rest + 1, &rest) : 0;
    int64_t drip = drip_text ? thousandths(drip_text, &rest) : 0;
    int64_t over = level - size * 9 / 10;

    if (size <= 0 || over <= 0)
        return 0;
    if (drip <= 0)
        drip = 1000;
    return (over + drip - 1) / drip;
}

int64_t lightspeed_window_wait(const struct renewd_services *s, const struct renewd_reply *reply,
                               int64_t now)
{
    const char *remaining = s->reply_header(reply, "X-RateLimit-Remaining");
    const char *reset = s->reply_header(reply, "X-RateLimit-Reset");
    int64_t at = 0;

    if (!remaining || !reset || strcmp(remaining, "0") != 0)
        return 0;
    if (*reset && strspn(reset, "0123456789") == strlen(reset) && strlen(reset) < 12)
        at = strtoll(reset, NULL, 10);
    else if (s->parse_http_date(reset, &at) != 0)
        return 0;
    int64_t wait = at > YEAR ? at - now : at;
    return wait > 0 ? wait : 0;
}
