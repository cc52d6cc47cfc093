/* SPDX-License-Identifier: MIT
 * tiktok.so without renewd: the exact request, the times it wants to be asked at, what it says of
 * another open_id. Its verdicts are in answers.txt.
 */
#include <string.h>

#include "tests/plugins/fake_services.h"
#include "tests/unit/runner.h"

enum { HOUR = 3600, DAY = 86400 };

static void start(struct fake *f)
{
    fake_init(f);
    fake_setting(f, "client_key", "key&1", 0);
    fake_setting(f, "client_secret", "s=1", 0);
    fake_setting(f, "base_url", "https://open.tiktokapis.com", 0);
    fake_slot(f, "refresh_token", "rft.a+b/c=");
    CU_ASSERT_EQUAL_FATAL(fake_open(f), 0);
}

static void test_request(void)
{
    struct fake f;

    start(&f);
    CU_ASSERT_EQUAL(f.replay, RENEWD_REPLAY_SINGLE_USE);
    CU_ASSERT_EQUAL(fake_ask(&f, 1000), RENEWD_WAIT);
    CU_ASSERT_STRING_EQUAL(f.request, "POST https://open.tiktokapis.com/v2/oauth/token/\n"
                                      "Accept: application/json\nCache-Control: no-cache\n\n"
                                      "client_key=key%261&client_secret=s%3D1&grant_type=refresh_token"
                                      "&refresh_token=rft.a%2Bb%2Fc%3D");
    fake_close(&f);
}

static void test_open_id(void)
{
    struct fake f;

    start(&f);
    fake_slot(&f, "open_id", "o-1");
    fake_ask(&f, 1000);
    CU_ASSERT_EQUAL(fake_answer(&f, 200, "{\"access_token\":\"a\",\"open_id\":\"o-1\"}", 1000), RENEWD_DONE);
    CU_ASSERT_STRING_EQUAL(f.host.logged, "");
    fake_ask(&f, 1000);
    CU_ASSERT_EQUAL(fake_answer(&f, 200, "{\"access_token\":\"a\",\"open_id\":\"o-2\"}", 1000), RENEWD_DONE);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.host.logged, "another open_id"));
    CU_ASSERT_PTR_NULL(strstr(f.host.logged, "o-2"));
    CU_ASSERT_PTR_NULL(strstr(f.effects, "open_id"));
    fake_close(&f);
}

static void window_is(struct fake *f, int64_t now, int64_t before, int64_t preferred, int64_t latest, int64_t death)
{
    struct renewd_needs_refresh_out w;

    CU_ASSERT_EQUAL(fake_window(f, now, before, &w), 0);
    CU_ASSERT_EQUAL(w.earliest, 0);
    CU_ASSERT_EQUAL(w.preferred, preferred);
    CU_ASSERT_EQUAL(w.latest, latest);
    CU_ASSERT_EQUAL(w.death, death);
}

/* Fractions of the life last granted, whatever that is. */
static void test_window(void)
{
    const int64_t now = 10 * DAY;
    struct fake f;

    start(&f);
    window_is(&f, now, DAY, now, now, 0); /* nothing is known: once, now */
    f.record.refreshed_at = now;
    f.record.first_seen = now;
    f.record.life = DAY;
    fake_time(&f, "expires_at", now + DAY);
    window_is(&f, now, 0, now + 12 * HOUR, now + 18 * HOUR, 0);
    window_is(&f, now, DAY, now + 6 * HOUR, now + 12 * HOUR, 0); /* at most half a life before */
    f.record.life = 2 * HOUR;
    fake_time(&f, "expires_at", now + 2 * HOUR);
    window_is(&f, now, 0, now + HOUR, now + HOUR * 3 / 2, 0);
    window_is(&f, now, DAY, now + HOUR / 2, now + HOUR, 0);
    fake_time(&f, "refresh_expires_at", now + 180 * DAY);
    window_is(&f, now, DAY, now + HOUR / 2, now + HOUR, now + 180 * DAY);
    fake_close(&f);
}

/* Where the table has no column for the refresh token's end, the memo knows it, as long as the
 * credential is the one of which it was said. */
static void test_remembered_end(void)
{
    static const char memo[] = "864000 5000000";
    const int64_t now = 10 * DAY;
    struct fake f;

    start(&f);
    f.record.refreshed_at = f.record.first_seen = now + 3;
    f.record.life = 2 * HOUR;
    fake_time(&f, "expires_at", now + 2 * HOUR);
    f.record.memo = memo;
    f.record.memo_length = strlen(memo);
    window_is(&f, now, DAY, now + HOUR / 2, now + HOUR, 5000000);
    fake_time(&f, "refresh_expires_at", 6000000); /* the row knows better */
    window_is(&f, now, DAY, now + HOUR / 2, now + HOUR, 6000000);
    fake_time(&f, "refresh_expires_at", 0);
    f.record.first_seen = now + DAY; /* connected again */
    window_is(&f, now, DAY, now + HOUR / 2, now + HOUR, 0);
    f.record.first_seen = now;
    f.record.memo = "nonsense";
    f.record.memo_length = 8;
    window_is(&f, now, DAY, now + HOUR / 2, now + HOUR, 0);
    fake_close(&f);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"the request", test_request},
        {"another open_id", test_open_id},
        {"the window", test_window},
        {"the grant's end without a column", test_remembered_end},
        {NULL, NULL},
    };
    return run_tests("tiktok", tests);
}
