/* SPDX-License-Identifier: MIT
 * The request that carries events to a pixel, and what each of Meta's answers means for them.
 */
#include <stdio.h>
#include <string.h>

#include "tests/plugins/fake_services.h"
#include "tests/unit/runner.h"

enum { NOW = 1795216100 };

static const char *const two[] = {"{\"event_id\":\"a\",\"value\":403.10}", "{\"event_id\":\"b\"}", NULL};
static struct fake f;

static void start(int proof, const char *test_code)
{
    fake_init(&f);
    fake_setting(&f, "app_id", "123", 0);
    fake_setting(&f, "app_secret", "hush", 0);
    fake_setting(&f, "version", "v26.0", 0);
    fake_setting(&f, "base_url", "http://fb", 0);
    fake_setting(&f, "appsecret_proof", NULL, proof);
    fake_setting(&f, "test_event_code", test_code, 0);
    fake_slot(&f, "access_token", "EAAG-1");
    fake_slot(&f, "pixel_id", "111");
    CU_ASSERT_EQUAL_FATAL(fake_open(&f), 0);
}

static void test_request(void)
{
    start(0, NULL);
    CU_ASSERT_EQUAL(fake_send(&f, two, 0, NULL, NOW), RENEWD_WAIT);
    CU_ASSERT_STRING_EQUAL(f.request, "POST http://fb/v26.0/111/events?access_token=EAAG-1\n"
                                      "Content-Type: application/json\n\n"
                                      "{\"data\":[{\"event_id\":\"a\",\"value\":403.10},{\"event_id\":\"b\"}]}");
    fake_close(&f);
    start(1, "TEST12345");
    CU_ASSERT_EQUAL(fake_send(&f, two + 1, 0, NULL, NOW), RENEWD_WAIT);
    CU_ASSERT_STRING_EQUAL(f.request,
                           "POST http://fb/v26.0/111/events?access_token=EAAG-1"
                           "&appsecret_proof=aed6f6e44725ea992d77c46d13b9b5330b5eb07e706b7ae7914ef6de61ef7212\n"
                           "Content-Type: application/json\n\n"
                           "{\"data\":[{\"event_id\":\"b\"}],\"test_event_code\":\"TEST12345\"}");
    fake_close(&f);
}

/* A request has one mark: events of another go with the next one. */
static void test_marked(void)
{
    static const char *const mixed[] =
        {"{\"test_event_code\":\"T1\",\"partner_agent\":\"p\",\"event\":{\"event_time\":1,\"event_id\":\"a\"}}",
         "{\"test_event_code\":\"T1\",\"partner_agent\":\"p\",\"event\":{\"event_time\":2,\"event_id\":\"b\"}}",
         "{\"event_time\":3,\"event_id\":\"c\",\"custom_data\":{\"event\":{\"event_time\":1}}}",
         "{\"test_event_code\":\"T2\",\"event\":{\"event_time\":4,\"event_id\":\"d\"}}", NULL};

    start(0, NULL);
    CU_ASSERT_EQUAL(fake_send(&f, mixed, 0, NULL, NOW), RENEWD_WAIT);
    CU_ASSERT_EQUAL(f.first, 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.request,
                                  "\n\n{\"data\":[{\"event_time\":1,\"event_id\":\"a\"},{\"event_time\":2,"
                                  "\"event_id\":\"b\"}],\"test_event_code\":\"T1\",\"partner_agent\":\"p\"}"));
    CU_ASSERT_EQUAL(fake_send(&f, mixed + 2, 0, NULL, NOW), RENEWD_WAIT);
    CU_ASSERT_EQUAL(f.first, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.request, "\n\n{\"data\":[{\"event_time\":3,\"event_id\":\"c\",\"custom_data\":"
                                             "{\"event\":{\"event_time\":1}}}]}"));
    CU_ASSERT_EQUAL(fake_send(&f, mixed + 3, 0, NULL, NOW), RENEWD_WAIT);
    CU_ASSERT_EQUAL(f.first, 0);
    fake_close(&f);
    start(0, "JOB");
    CU_ASSERT_EQUAL(fake_send(&f, mixed + 3, 0, NULL, NOW), RENEWD_WAIT);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.request, "\"test_event_code\":\"T2\"}"));
    fake_close(&f);
}

static void test_nowhere_to(void)
{
    static const char *const no_ids[] = {
        "11/../1?x",
        "..",
        ".",
        "1 1",
        "1%2F1",
        "\xc3\xa9",
        "11111111111111111111111111111111111111111111111111111111111111111",
    };

    start(0, NULL);
    fake_slot(&f, "pixel_id", NULL);
    CU_ASSERT_EQUAL(fake_send(&f, two, 0, NULL, NOW), RENEWD_DONE);
    CU_ASSERT_EQUAL(f.became, RENEWD_SENT_HOLD);
    CU_ASSERT_STRING_EQUAL(f.code, "no_pixel");
    CU_ASSERT_STRING_EQUAL(f.request, "");
    for (size_t i = 0; i < sizeof(no_ids) / sizeof(no_ids[0]); i++) {
        fake_slot(&f, "pixel_id", no_ids[i]);
        CU_ASSERT_EQUAL(fake_send(&f, two, 0, NULL, NOW), RENEWD_DONE);
        CU_ASSERT_EQUAL(f.became, RENEWD_SENT_HOLD);
        CU_ASSERT_STRING_EQUAL(f.code, "pixel_id");
        CU_ASSERT_STRING_EQUAL(f.request, "");
    }
    fake_slot(&f, "pixel_id", "111");
    fake_slot(&f, "access_token", NULL);
    CU_ASSERT_EQUAL(fake_send(&f, two, 0, NULL, NOW), RENEWD_FAILED);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.text, "no access token"));
    fake_close(&f);
}

#define ERROR(code, more) "{\"error\":{\"message\":\"m\",\"type\":\"OAuthException\",\"code\":" code more "}}"

static const struct {
    int32_t status;
    const char *body;
    int32_t became;
    const char *code, *text;
} answers[] = {
    {200, "{\"events_received\":2,\"messages\":[],\"fbtrace_id\":\"A\"}", RENEWD_SENT, "", ""},
    {200, "{\"events_received\":\"2\"}", RENEWD_SENT, "", ""},
    {200, "{\"events_received\":1}", RENEWD_SENT_UNKNOWN, "", "received 1 of 2 events"},
    {200, "{\"events_received\":3}", RENEWD_SENT_UNKNOWN, "", "received 3 of 2"},
    {200, "{}", RENEWD_SENT_UNKNOWN, "", "without the number of events it received"},
    {200, "<html>", RENEWD_SENT_UNKNOWN, "", "HTTP 200"},
    {204, "", RENEWD_SENT_UNKNOWN, "", "HTTP 204"},
    {200, "{\"events_received\":2,\"error\":{\"code\":190}}", RENEWD_SENT_TOKEN, "190", "refuses the access token"},
    {0, "", RENEWD_SENT_UNKNOWN, "", "no answer came"},
    {400, ERROR("190", ",\"error_subcode\":463"), RENEWD_SENT_TOKEN, "190/463", "token has expired"},
    {401, ERROR("190", ",\"error_subcode\":460"), RENEWD_SENT_TOKEN, "190/460", "password was changed"},
    {400, ERROR("102", ""), RENEWD_SENT_TOKEN, "102", "refuses the access token"},
    {401, "", RENEWD_SENT_TOKEN, "", "refuses the access token"},
    {400, ERROR("100", ",\"error_subcode\":33"), RENEWD_SENT_HOLD, "100/33",
     "check the pixel id, the user's access to it, the app's permissions"},
    {404, "{\"error\":{\"message\":\"Unsupported post request. Object with ID '1' does not exist\",\"code\":100}}",
     RENEWD_SENT_HOLD, "100", "check the pixel id"},
    {403, ERROR("10", ""), RENEWD_SENT_HOLD, "10", "check the pixel id"},
    {403, ERROR("200", ""), RENEWD_SENT_HOLD, "200", "check the pixel id"},
    {400, ERROR("299", ""), RENEWD_SENT_HOLD, "299", "check the pixel id"},
    {400, ERROR("3", ""), RENEWD_SENT_HOLD, "3", "check the pixel id"},
    {400, ERROR("300", ""), RENEWD_SENT_LATER, "300", "could not accept the events now"},
    {400, ERROR("100", ",\"error_subcode\":2804003"), RENEWD_SENT_TOO_OLD, "100/2804003", "too old"},
    {400, ERROR("100", ",\"error_subcode\":2804050,\"error_user_title\":\"Too little about the customer\""),
     RENEWD_SENT_BAD, "100/2804050", "refuses an event: \"Too little about the customer\" (HTTP 400, 100/2804050)"},
    {400, ERROR("100", ",\"error_user_title\":\"Bad EAAGm0PX4ZCpsBAKZCt5ZBZAZC4ZAZBZCEAAGm0PX4\""), RENEWD_SENT_BAD,
     "100", "refuses an event (HTTP 400, 100)"},
    {400, "{\"error\":{\"message\":\"Error validating client secret.\",\"code\":100}}", RENEWD_SENT_LATER, "100",
     "check app_id"},
    {400, "{\"error\":{\"message\":\"Error validating client secret.\",\"code\":1}}", RENEWD_SENT_LATER, "1",
     "check app_id"},
    {400, "{\"error\":{\"message\":\"Invalid appsecret_proof provided in the API argument\",\"code\":100}}",
     RENEWD_SENT_LATER, "100", "check app_id"},
    {400, ERROR("101", ""), RENEWD_SENT_LATER, "101", "check app_id"},
    {400, ERROR("4", ""), RENEWD_SENT_LATER, "4", "fewer requests"},
    {403, ERROR("17", ""), RENEWD_SENT_LATER, "17", "fewer requests"},
    {400, ERROR("613", ""), RENEWD_SENT_LATER, "613", "fewer requests"},
    {400, ERROR("80004", ""), RENEWD_SENT_LATER, "80004", "fewer requests"},
    {429, "", RENEWD_SENT_LATER, "", "fewer requests"},
    {400, ERROR("1", ""), RENEWD_SENT_LATER, "1", "now"},
    {500, ERROR("2", ",\"is_transient\":true"), RENEWD_SENT_LATER, "2", "now"},
    {400, ERROR("9999", ",\"is_transient\":true"), RENEWD_SENT_LATER, "9999", "now"},
    {503, "<html>", RENEWD_SENT_LATER, "", "HTTP 503"},
    {400, "", RENEWD_SENT_LATER, "", "HTTP 400"},
    {302, "", RENEWD_SENT_LATER, "", "HTTP 302"},
    {413, "", RENEWD_SENT_BAD, "", "too large"},
};

static void test_answers(void)
{
    start(0, NULL);
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        CU_ASSERT_EQUAL(fake_send(&f, two, answers[i].status, answers[i].body, NOW), RENEWD_DONE);
        CU_ASSERT_EQUAL(f.became, answers[i].became);
        CU_ASSERT_STRING_EQUAL(f.code, answers[i].code);
        CU_ASSERT_PTR_NOT_NULL(strstr(f.text, answers[i].text));
        CU_ASSERT_EQUAL(f.wait, 0);
        CU_ASSERT_STRING_EQUAL(f.request, "");
        if (f.became != answers[i].became || !strstr(f.text, answers[i].text))
            printf("# %d %s\n# became %d: %s\n", (int)answers[i].status, answers[i].body, (int)f.became, f.text);
    }
    fake_close(&f);
}

static void test_waits(void)
{
    start(0, NULL);
    CU_ASSERT_EQUAL(fake_send(&f, two, 400, ERROR("368", ""), NOW), RENEWD_DONE);
    CU_ASSERT_EQUAL(f.wait, 3600);
    fake_header(&f, "X-Business-Use-Case-Usage",
                "{\"1\":[{\"type\":\"ads\",\"call_count\":100,\"estimated_time_to_regain_access\":19}]}");
    CU_ASSERT_EQUAL(fake_send(&f, two, 400, ERROR("80004", ""), NOW), RENEWD_DONE);
    CU_ASSERT_EQUAL(f.wait, 19 * 60);
    CU_ASSERT_EQUAL(fake_send(&f, two, 200, "{\"events_received\":2}", NOW), RENEWD_DONE);
    CU_ASSERT_EQUAL(f.became, RENEWD_SENT);
    fake_header(&f, "Retry-After", "77");
    CU_ASSERT_EQUAL(fake_send(&f, two, 429, "", NOW), RENEWD_DONE);
    CU_ASSERT_EQUAL(f.wait, 77);
    fake_close(&f);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"the request", test_request}, {"marked events", test_marked}, {"nowhere to send to", test_nowhere_to},
        {"answers", test_answers},     {"waits", test_waits},          {NULL, NULL},
    };
    return run_tests("meta sends", tests);
}
