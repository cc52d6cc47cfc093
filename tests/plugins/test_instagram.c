/* SPDX-License-Identifier: MIT
 * When instagram.so wants to be asked, and what it sends: the day of age, the week before the end,
 * short-lived tokens. Answers are in answers.txt.
 */
#include <string.h>

#include "tests/plugins/fake_services.h"
#include "tests/unit/runner.h"

enum { DAY = 86400, HOUR = 3600, NOW = 100 * 86400 };

static void start(struct fake *f, const char *family, const char *secret)
{
    fake_init(f);
    fake_setting(f, "family", family, 0);
    fake_setting(f, "app_id", "123", 0);
    fake_setting(f, "app_secret", secret, 0);
    fake_setting(f, "exchange_short_lived", "true", 1);
    fake_setting(f, "version", "v26.0", 0);
    fake_setting(f, "base_url", "http://ig", 0);
    fake_setting(f, "facebook_url", "http://fb", 0);
    fake_slot(f, "access_token", "IGAA-a b");
    CU_ASSERT_EQUAL_FATAL(fake_open(f), 0);
}

static void window_is(struct fake *f, int64_t before, int64_t earliest, int64_t preferred, int64_t latest,
                      int64_t death)
{
    struct renewd_needs_refresh_out w;

    CU_ASSERT_EQUAL(fake_window(f, NOW, before, &w), 0);
    CU_ASSERT_EQUAL(w.earliest, earliest);
    CU_ASSERT_EQUAL(w.preferred, preferred);
    CU_ASSERT_EQUAL(w.latest, latest);
    CU_ASSERT_EQUAL(w.death, death);
}

/* Never before it is a day old, however that is known. */
static void test_age(void)
{
    struct fake f;

    start(&f, "instagram_login", NULL);
    f.record.first_seen = NOW;
    window_is(&f, 0, NOW + DAY, NOW + DAY, NOW + DAY, 0); /* nobody knows how old it is */
    f.record.refreshed_at = NOW - 10 * DAY;               /* of another token */
    window_is(&f, 0, NOW + DAY, NOW + DAY, NOW + DAY, 0);
    f.record.first_seen = f.record.refreshed_at = NOW;
    window_is(&f, 0, NOW + DAY, NOW + DAY, NOW + DAY, 0);
    f.record.life = 60 * DAY;
    fake_time(&f, "expires_at", NOW + 60 * DAY);
    window_is(&f, 0, NOW + DAY, NOW + 52 * DAY, NOW + 53 * DAY, NOW + 60 * DAY);
    window_is(&f, 59 * DAY, NOW + DAY, NOW + 29 * DAY, NOW + 30 * DAY, NOW + 60 * DAY);
    f.record.life = DAY; /* granted short: its day of age comes first */
    fake_time(&f, "expires_at", NOW + DAY);
    window_is(&f, 0, NOW + DAY, NOW + DAY, NOW + DAY, NOW + DAY);
    /* Seen first: its end tells its age. */
    f.record.refreshed_at = f.record.life = 0;
    fake_time(&f, "expires_at", NOW + 60 * DAY - 60);
    window_is(&f, 0, NOW + DAY, NOW + 52 * DAY - 60, NOW + 53 * DAY - 60, NOW + 60 * DAY - 60);
    fake_time(&f, "expires_at", NOW + 3 * DAY);
    window_is(&f, 0, NOW + 3 * DAY - 60 * DAY + HOUR + DAY, NOW - 5 * DAY, NOW - 4 * DAY, NOW + 3 * DAY);
    fake_time(&f, "expires_at", NOW - DAY); /* past its end: once more */
    window_is(&f, 0, NOW - DAY - 60 * DAY + HOUR + DAY, NOW - 9 * DAY, NOW - 8 * DAY, NOW - DAY);
    fake_close(&f);
}

static void test_requests(void)
{
    struct fake f;

    start(&f, "instagram_login", "se&cret");
    f.record.first_seen = NOW - 30 * DAY;
    fake_time(&f, "expires_at", NOW + 3 * DAY);
    CU_ASSERT_EQUAL(fake_ask(&f, NOW), RENEWD_WAIT);
    CU_ASSERT_STRING_EQUAL(f.request, "GET http://ig/refresh_access_token?"
                                      "grant_type=ig_refresh_token&access_token=IGAA-a%20b\n\n");
    f.record.first_seen = NOW; /* an hour left when it was first seen: short-lived */
    fake_time(&f, "expires_at", NOW + HOUR);
    window_is(&f, 0, 0, NOW, NOW, NOW + HOUR);
    CU_ASSERT_EQUAL(fake_ask(&f, NOW), RENEWD_WAIT);
    CU_ASSERT_STRING_EQUAL(f.request, "GET http://ig/access_token?grant_type=ig_exchange_token"
                                      "&client_secret=se%26cret&access_token=IGAA-a%20b\n\n");
    fake_time(&f, "expires_at", NOW + 3 * HOUR);
    CU_ASSERT_EQUAL(fake_ask(&f, NOW), RENEWD_WAIT);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.request, "ig_refresh_token"));
    fake_time(&f, "expires_at", NOW - HOUR); /* expired: presented, not exchanged */
    CU_ASSERT_EQUAL(fake_ask(&f, NOW), RENEWD_WAIT);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.request, "ig_refresh_token"));
    fake_close(&f);
    start(&f, "instagram_login", NULL); /* no secret: nothing is exchanged */
    f.record.first_seen = NOW;
    fake_time(&f, "expires_at", NOW + HOUR);
    CU_ASSERT_EQUAL(fake_ask(&f, NOW), RENEWD_WAIT);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.request, "ig_refresh_token"));
    fake_close(&f);
}

static void test_facebook(void)
{
    struct fake f;

    start(&f, "facebook_login", "hush");
    f.record.first_seen = NOW;
    fake_time(&f, "expires_at", NOW + 3 * DAY);
    CU_ASSERT_EQUAL(fake_ask(&f, NOW), RENEWD_WAIT);
    CU_ASSERT_STRING_EQUAL(f.request, "GET http://fb/v26.0/oauth/access_token?"
                                      "grant_type=fb_exchange_token&client_id=123&"
                                      "client_secret=hush&fb_exchange_token=IGAA-a%20b\n\n");
    window_is(&f, 0, 0, NOW - 5 * DAY, NOW - 4 * DAY, NOW + 3 * DAY);
    fake_close(&f);
    fake_init(&f); /* without the app it cannot be */
    fake_setting(&f, "family", "facebook_login", 0);
    fake_setting(&f, "version", "v26.0", 0);
    CU_ASSERT_NOT_EQUAL(fake_open(&f), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.text, "app_secret"));
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"the day of age", test_age},
        {"requests of Instagram Login", test_requests},
        {"Facebook Login", test_facebook},
        {NULL, NULL},
    };
    return run_tests("instagram", tests);
}
