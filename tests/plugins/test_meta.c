/* SPDX-License-Identifier: MIT
 * When meta.so wants to be asked, and what it sends. Answers are in answers.txt.
 */
#include <stdio.h>
#include <string.h>

#include "tests/plugins/fake_services.h"
#include "tests/unit/runner.h"

enum { DAY = 86400, NOW = 100 * 86400 };

static void start(struct fake *f, int system_user, int proof)
{
    fake_init(f);
    fake_setting(f, "app_id", "123", 0);
    fake_setting(f, "app_secret", "hush", 0);
    fake_setting(f, "system_user", NULL, system_user);
    fake_setting(f, "appsecret_proof", NULL, proof);
    fake_setting(f, "version", "v26.0", 0);
    fake_setting(f, "base_url", "http://fb", 0);
    fake_slot(f, "access_token", "EAAG-1");
    f->record.first_seen = NOW;
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

/* The memo that the last answer left, as the record brings it back. */
static void take_memo(struct fake *f, char *memo, size_t size)
{
    const char *at = strstr(f->effects, "memo=");

    CU_ASSERT_PTR_NOT_NULL_FATAL(at);
    snprintf(memo, size, "%.*s", (int)strcspn(at + 5, "\n"), at + 5);
    f->record.memo = memo;
    f->record.memo_length = strlen(memo);
}

static void test_window(void)
{
    struct fake f;

    start(&f, 0, 0);
    window_is(&f, 0, 0, NOW, NOW, 0); /* unknown: once */
    fake_time(&f, "expires_at", NOW + 60 * DAY);
    window_is(&f, 0, 0, NOW + 52 * DAY, NOW + 53 * DAY, NOW + 60 * DAY);
    window_is(&f, 30 * DAY, 0, NOW + 29 * DAY, NOW + 30 * DAY, NOW + 60 * DAY);
    fake_time(&f, "expires_at", NOW + 3600); /* short-lived: at once */
    window_is(&f, 0, 0, NOW + 3600 - 8 * DAY, NOW + 3600 - 7 * DAY, NOW + 3600);
    f.record.refreshed_at = NOW; /* granted an hour: not all the time */
    f.record.life = 3600;
    window_is(&f, 0, 0, NOW + 900, NOW + 1800, NOW + 3600);
    f.record.life = 60 * DAY;
    fake_time(&f, "expires_at", NOW + 60 * DAY);
    window_is(&f, 59 * DAY, 0, NOW + 29 * DAY, NOW + 30 * DAY, NOW + 60 * DAY);
    fake_time(&f, "expires_at", 0); /* refreshed, and its end is unknown still: daily */
    window_is(&f, 0, 0, NOW + DAY, NOW + DAY, 0);
    fake_close(&f);
}

static void test_never(void)
{
    static const char never[] = "{\"data\":{\"is_valid\":true,\"expires_at\":0}}";
    char memo[64];
    struct fake f;

    start(&f, 0, 0);
    CU_ASSERT_EQUAL(fake_ask(&f, NOW), RENEWD_WAIT);
    CU_ASSERT_STRING_EQUAL(f.request, "GET http://fb/v26.0/debug_token?input_token=EAAG-1"
                                      "&access_token=123%7Chush\n\n");
    CU_ASSERT_EQUAL(fake_answer(&f, 200, never, NOW), RENEWD_DONE);
    take_memo(&f, memo, sizeof(memo));
    window_is(&f, 0, 0, 0, 0, 0);
    f.record.refreshed_at = NOW;
    window_is(&f, 0, 0, 0, 0, 0);
    fake_slot(&f, "access_token", "EAAG-2"); /* another token: looked up again */
    f.record.first_seen = NOW + 5;
    window_is(&f, 0, 0, NOW + 5, NOW + 5, 0);
    fake_close(&f);
}

/* What an exchange did not extend is not exchanged again within a day. */
static void test_useless(void)
{
    char memo[64];
    struct fake f;

    start(&f, 0, 0);
    fake_time(&f, "expires_at", NOW + 5 * DAY);
    CU_ASSERT_EQUAL(fake_ask(&f, NOW), RENEWD_WAIT);
    CU_ASSERT_EQUAL(fake_answer(&f, 200, "{\"access_token\":\"EAAG-1\",\"expires_in\":432000}", NOW), RENEWD_DONE);
    take_memo(&f, memo, sizeof(memo));
    CU_ASSERT_PTR_NOT_NULL(strstr(f.host.logged, "about 60 days"));
    f.record.refreshed_at = f.record.first_seen = NOW;
    f.record.life = 5 * DAY;
    window_is(&f, 0, NOW + DAY, NOW + DAY, NOW + DAY, NOW + 5 * DAY);
    f.host.logged[0] = '\0';
    CU_ASSERT_EQUAL(fake_ask(&f, NOW), RENEWD_WAIT);
    CU_ASSERT_EQUAL(fake_answer(&f, 200, "{\"access_token\":\"EAAG-1\",\"expires_in\":432000}", NOW), RENEWD_DONE);
    CU_ASSERT_STRING_EQUAL(f.host.logged, ""); /* said once */
    fake_close(&f);
}

static void test_requests(void)
{
    struct fake f;

    start(&f, 1, 1);
    fake_time(&f, "expires_at", NOW + DAY);
    CU_ASSERT_EQUAL(fake_ask(&f, NOW), RENEWD_WAIT);
    CU_ASSERT_STRING_EQUAL(f.request,
                           "GET http://fb/v26.0/oauth/access_token?grant_type=fb_exchange_token&client_id=123"
                           "&client_secret=hush&fb_exchange_token=EAAG-1&set_token_expires_in_60_days=true"
                           "&appsecret_proof=aed6f6e44725ea992d77c46d13b9b5330b5eb07e706b7ae7914ef6de61ef7212\n\n");
    fake_close(&f);
    fake_init(&f);
    fake_setting(&f, "version", "v26/../x", 0);
    CU_ASSERT_NOT_EQUAL(fake_open(&f), 0);
}

#define SYSTEM(end) "{\"data\":{\"is_valid\":true,\"type\":\"SYSTEM_USER\",\"expires_at\":" end "}}"

/* A system user's token, and system_user left false: debug_token says what it is. 9072000 is NOW + 5 days. */
static void test_system_user(void)
{
    static const char granted[] = "{\"access_token\":\"EAAG-2\",\"expires_in\":5184000}";
    static const char refused[] =
        "{\"error\":{\"message\":\"(#100) a parameter\",\"type\":\"OAuthException\",\"code\":100}}";
    char memo[64];
    struct fake f;

    start(&f, 0, 0);
    CU_ASSERT_EQUAL(fake_ask(&f, NOW), RENEWD_WAIT); /* its end is unknown */
    CU_ASSERT_EQUAL(fake_answer(&f, 200, SYSTEM("9072000"), NOW), RENEWD_WAIT);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.request, "grant_type=fb_exchange_token"));
    CU_ASSERT_PTR_NOT_NULL(strstr(f.request, "set_token_expires_in_60_days=true"));
    CU_ASSERT_PTR_NOT_NULL(strstr(f.host.logged, "system_user = true"));
    CU_ASSERT_EQUAL(fake_answer(&f, 200, granted, NOW), RENEWD_DONE);
    take_memo(&f, memo, sizeof(memo));
    fake_slot(&f, "access_token", "EAAG-2");
    fake_time(&f, "expires_at", NOW + 60 * DAY);
    CU_ASSERT_EQUAL(fake_ask(&f, NOW + 53 * DAY), RENEWD_WAIT); /* without asking what it is again */
    CU_ASSERT_PTR_NOT_NULL(strstr(f.request, "fb_exchange_token=EAAG-2&set_token_expires_in_60_days=true"));
    fake_close(&f);

    /* Its end is known, and the exchange is refused: the setting is named, and the next time its kind is asked for. */
    start(&f, 0, 0);
    fake_time(&f, "expires_at", NOW + 5 * DAY);
    CU_ASSERT_EQUAL(fake_ask(&f, NOW), RENEWD_WAIT);
    CU_ASSERT_PTR_NULL(strstr(f.request, "set_token_expires_in_60_days"));
    CU_ASSERT_EQUAL(fake_answer(&f, 400, refused, NOW), RENEWD_FAILED);
    CU_ASSERT_EQUAL(f.outcome, RENEWD_MISCONFIGURED);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.text, "if this is a system user's token, set system_user = true"));
    f.decision.outcome = RENEWD_MISCONFIGURED;
    CU_ASSERT_EQUAL(fake_failed_with(&f, 400, "100", refused, NOW), 0);
    CU_ASSERT_EQUAL(fake_ask(&f, NOW + 10), RENEWD_WAIT);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.request, "/debug_token?input_token=EAAG-1"));
    CU_ASSERT_EQUAL(fake_answer(&f, 200, SYSTEM("9072000"), NOW + 10), RENEWD_WAIT);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.request, "set_token_expires_in_60_days=true"));
    CU_ASSERT_EQUAL(fake_answer(&f, 200, granted, NOW + 10), RENEWD_DONE);
    fake_close(&f);

    start(&f, 1, 0); /* told by the setting: nobody is asked */
    fake_time(&f, "expires_at", NOW + 5 * DAY);
    CU_ASSERT_EQUAL(fake_ask(&f, NOW), RENEWD_WAIT);
    CU_ASSERT_EQUAL(fake_answer(&f, 400, refused, NOW), RENEWD_FAILED);
    CU_ASSERT_PTR_NULL(strstr(f.text, "system_user"));
    fake_close(&f);
}

/* What debug_token said of the token's end is stored, though the exchange that followed failed. */
static void test_learned(void)
{
    struct fake f;

    start(&f, 0, 0);
    CU_ASSERT_EQUAL(fake_ask(&f, NOW), RENEWD_WAIT);
    CU_ASSERT_EQUAL(fake_answer(&f, 200, "{\"data\":{\"is_valid\":true,\"type\":\"USER\",\"expires_at\":9072000}}",
                                NOW),
                    RENEWD_WAIT);
    CU_ASSERT_EQUAL(fake_answer(&f, 500, "", NOW), RENEWD_FAILED);
    f.effects[0] = '\0';
    f.decision.outcome = RENEWD_TRANSIENT;
    CU_ASSERT_EQUAL(fake_failed_with(&f, 500, NULL, "", NOW), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.effects, "expires_at=9072000"));
    fake_close(&f);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"the window", test_window},
        {"tokens that never end", test_never},
        {"an exchange without use", test_useless},
        {"requests", test_requests},
        {"a system user's token", test_system_user},
        {"an end that was learned", test_learned},
        {NULL, NULL},
    };
    return run_tests("meta", tests);
}
