/* SPDX-License-Identifier: MIT
 * Reads Lightspeed's rate limits from the headers of its replies. Part of lightspeed.so.
 */
#ifndef PLUGINS_LIGHTSPEED_LIMITS_H
#define PLUGINS_LIGHTSPEED_LIMITS_H

#include <renewd/plugin.h>

/* R-Series' leaky bucket: X-LS-API-Bucket-Level is "level/size", X-LS-API-Drip-Rate what drains from it in a
 * second (1 if absent), X-LS-API-Request-Cost the cost of a request like this one. Seconds until that and a
 * tenth of it are free; 0 = they are now. Other programs use the account's bucket, too. */
int64_t lightspeed_bucket_wait(const struct renewd_services *s, const struct renewd_reply *reply);

/* R-Series' second limit, X-LS-API-Burst-Level: requests in one second. 1 when it is reached. */
int64_t lightspeed_burst_wait(const struct renewd_services *s, const struct renewd_reply *reply);

/* X-Series: nothing remains (X-RateLimit-Remaining: 0) until X-RateLimit-Reset, written as seconds
 * from now, as Unix seconds or as a date. Seconds until then; 0 = something remains. */
int64_t lightspeed_window_wait(const struct renewd_services *s, const struct renewd_reply *reply, int64_t now);

#endif
