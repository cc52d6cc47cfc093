/* SPDX-License-Identifier: MIT
 * What meta.so makes of an application's event: what it refuses, what it hashes, what stays as it is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/crypto/crypto.h"
#include "core/crypto/encoding.h"
#include "tests/plugins/fake_services.h"
#include "tests/unit/runner.h"

enum { DAY = 86400, NOW = 1795216100 };

#define JANE "86e0b9e56c17cc4d12387e1949b85053fbe73bc3ce5a1188713a9d300cc6133d"
#define PHONE "e323ec626319ca94ee8bff2e4c87cf613be6ea19919ed1364124e16807ab3176"
#define HEAD "\"event_name\":\"Purchase\",\"action_source\":\"website\""

static struct fake f;

static void start(void)
{
    fake_init(&f);
    fake_setting(&f, "version", "v26.0", 0);
    fake_setting(&f, "base_url", "http://fb", 0);
    CU_ASSERT_EQUAL_FATAL(fake_open(&f), 0);
}

static int32_t take(const char *text)
{
    return fake_take(&f, "", NULL, text, strlen(text), NOW);
}

/* An event whose user_data this is. */
static int32_t take_person(const char *members)
{
    char text[4096];

    snprintf(text, sizeof(text), "{" HEAD ",\"event_time\":1795216000,\"event_id\":\"a\",\"user_data\":{%s}}",
             members);
    return take(text);
}

/* Of the event that was taken. */
static int holds(const char *text)
{
    if (strstr(f.event, text))
        return 1;
    printf("# not there: %s\n# in %s\n", text, f.event);
    return 0;
}

static void refused(const char *text, const char *why)
{
    CU_ASSERT_EQUAL(take(text), RENEWD_EVENT_REFUSE);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.text, why));
    if (!strstr(f.text, why))
        printf("# %s\n# says: %s\n", text, f.text);
}

static void test_taken(void)
{
    start();
    CU_ASSERT_EQUAL(
        take("{" HEAD ",\"event_time\":1795216000,\"event_id\":\"order-820982911946154508\","
             "\"user_data\":{\"em\":\" Jane.Doe@Example.com \",\"ph\":[\"+1 (650) 555-1212\"],"
             "\"client_ip_address\":\"203.0.113.9\",\"client_user_agent\":\"Mozilla/5.0\","
             "\"fbp\":\"fb.1.1795215000000.1116446470\"},\"custom_data\":{\"currency\":\"USD\","
             "\"value\":403.10,\"n\":9007199254740993,\"deep\":[{\"a\":null,\"b\":true}]},\"opt_out\":false}"),
        RENEWD_EVENT_TAKE);
    CU_ASSERT_STRING_EQUAL(
        f.event, "{\"event_time\":1795216000,\"event_id\":\"order-820982911946154508\"," HEAD ","
                 "\"user_data\":{\"em\":[\"" JANE "\"],\"ph\":[\"" PHONE "\"],"
                 "\"client_ip_address\":\"203.0.113.9\",\"client_user_agent\":\"Mozilla/5.0\","
                 "\"fbp\":\"fb.1.1795215000000.1116446470\"},\"custom_data\":{\"currency\":\"USD\","
                 "\"value\":403.10,\"n\":9007199254740993,\"deep\":[{\"a\":null,\"b\":true}]},\"opt_out\":false}");
    CU_ASSERT_STRING_EQUAL(f.event_id, "order-820982911946154508");
    CU_ASSERT_STRING_EQUAL(f.event_name, "Purchase");
    CU_ASSERT_EQUAL(f.event_time, 1795216000);
    CU_ASSERT_EQUAL(f.last_at, 1795216000 + 7 * DAY);
    CU_ASSERT_STRING_EQUAL(f.same, "");
    fake_close(&f);
}

/* What stands under each key, and what is hashed of it. */
static void test_hashes(void)
{
    static const struct {
        const char *key, *json, *plain; /* plain NULL: the member is left out */
    } cases[] = {
        {"em", "\"\\t JANE.doe@EXAMPLE.com\\n\"", "jane.doe@example.com"},
        {"ph", "\"+1 (650) 555-1212\"", "16505551212"},
        {"ph", "\"0049 176 1234567\"", "491761234567"},
        {"ph", "16505551212", "16505551212"},
        {"ph", "\"ext.\"", NULL},
        {"ph", "\"06 12 34 56 78\"", NULL}, /* of which country? */
        {"ph", "[\"020 7946 0018\",\"+33612345678\"]", "33612345678"},
        {"fn", "\"Mary Ann\"", "mary ann"},
        {"fn", "\" \\u00c9lodie \"", "\xc3\xa9lodie"},
        {"ln", "\"O'Brien-\\u0160imi\\u0106\"", "obrien\xc5\xa1imi\xc4\x87"},
        {"ln", "\"\\u0416\\u0423\\u041a\\u041e\\u0412\"", "\xd0\xb6\xd1\x83\xd0\xba\xd0\xbe\xd0\xb2"},
        {"ln", "\"NGUY\\u1ec4N\"", "nguy\xe1\xbb\x85n"},
        {"ln", "\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80"},
        {"db", "\"1990-05-17\"", "19900517"},
        {"ge", "\"Female\"", "f"},
        {"ge", "\"M\"", "m"},
        {"ge", "\"other\"", NULL},
        {"ct", "\"S\\u00e3o Paulo\"", "s\xc3\xa3opaulo"},
        {"ct", "\"St. Louis\"", "stlouis"},
        {"st", "\"CA\"", "ca"},
        {"zp", "\"94107-1234\"", "94107"},
        {"zp", "94107", "94107"},
        {"zp", "\"SW1A 1AA\"", "sw1a1aa"},
        {"zp", "\"01310-100\"", "01310100"},
        {"country", "\"US\"", "us"},
        {"external_id", "\"User-7 \"", "User-7"},
        {"em", "\"\"", NULL},
        {"em", "null", NULL},
        {"em", "[\"\",null,\"  \"]", NULL},
    };

    start();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char members[512], wanted[160];
        uint8_t hash[32];
        struct buf hex;

        snprintf(members, sizeof(members), "\"%s\":%s,\"fbc\":\"x\"", cases[i].key, cases[i].json);
        CU_ASSERT_EQUAL(take_person(members), RENEWD_EVENT_TAKE);
        if (!cases[i].plain) {
            CU_ASSERT_TRUE(holds("\"user_data\":{\"fbc\":\"x\"}"));
            continue;
        }
        buf_init(&hex, 100);
        crypto_sha256(cases[i].plain, strlen(cases[i].plain), hash);
        hex_encode(&hex, hash, sizeof(hash));
        snprintf(wanted, sizeof(wanted), "\"user_data\":{\"%s\":[\"%s\"],\"fbc\":\"x\"}", cases[i].key, hex.data);
        CU_ASSERT_TRUE(holds(wanted));
        buf_done(&hex);
    }
    fake_close(&f);
}

static void test_hashed_already(void)
{
    start();
    CU_ASSERT_EQUAL(take_person("\"em\":\"" JANE "\",\"ph\":[\"" PHONE "\",\"+1 650 555 1212\"]"),
                    RENEWD_EVENT_TAKE);
    CU_ASSERT_TRUE(holds("\"user_data\":{\"em\":[\"" JANE "\"],\"ph\":[\"" PHONE "\",\"" PHONE "\"]}"));
    CU_ASSERT_EQUAL(take_person("\"em\":\"86E0B9E56C17CC4D12387E1949B85053FBE73BC3CE5A1188713A9D300CC6133D\""),
                    RENEWD_EVENT_TAKE);
    CU_ASSERT_TRUE(holds("{\"em\":[\"" JANE "\"]}"));
    /* What is never hashed, whatever it looks like; what says nothing is left out. */
    CU_ASSERT_EQUAL(take_person(
                        "\"fbc\":\"a\",\"lead_id\":12345678901234567890,\"subscription_id\":\"s\",\"fbp\":\"\","
                        "\"fb_login_id\":null,\"client_ip_address\":\"2001:db8::1\""),
                    RENEWD_EVENT_TAKE);
    CU_ASSERT_TRUE(holds("\"user_data\":{\"fbc\":\"a\",\"lead_id\":12345678901234567890,\"subscription_id\":\"s\","
                         "\"client_ip_address\":\"2001:db8::1\"}"));
    /* The ZIP code of a country that is known. */
    CU_ASSERT_EQUAL(take_person("\"zp\":\"941071234\",\"country\":\"us\""), RENEWD_EVENT_TAKE);
    char first[FAKE_EVENT];
    snprintf(first, sizeof(first), "%s", f.event);
    CU_ASSERT_EQUAL(take_person("\"zp\":\"94107\",\"country\":\"US\""), RENEWD_EVENT_TAKE);
    CU_ASSERT_STRING_EQUAL(f.event, first);
    fake_close(&f);
}

static void test_refused(void)
{
    char many[256];

    start();
    refused("[]", "no JSON object");
    refused("{\"event_name\"", "no JSON object");
    refused("{}", "event_name must be");
    refused("{\"event_name\":7}", "event_name must be");
    refused("{\"event_name\":\"\"}", "event_name must be");
    refused("{\"event_name\":\"a\\u0007\"}", "event_name must be");
    refused("{\"event_name\":\"Purchase\",\"action_source\":\"web\"}", "action_source must be one of email");
    refused("{" HEAD "}", "event_time must be a whole number");
    refused("{" HEAD ",\"event_time\":\"1795216000.5\"}", "event_time must be a whole number");
    refused("{" HEAD ",\"event_time\":\"soon\"}", "event_time must be a whole number");
    refused("{" HEAD ",\"test_event_code\":{},\"event_time\":1795216000}", "test_event_code must be a text");
    refused("{" HEAD ",\"event_time\":1795216000,\"user_data\":{\"ph\":\"0612345678\"}}", "needs its country: +33");
    refused("{" HEAD ",\"event_time\":1795216000.5}", "event_time must be a whole number");
    refused("{" HEAD ",\"event_time\":1795216000000}", "milliseconds");
    refused("{" HEAD ",\"event_time\":99999999999999999999999}", "event_time must be a whole number");
    refused("{" HEAD ",\"event_time\":-1}", "last 7 days");
    refused("{" HEAD ",\"event_time\":1795217000}", "in the future");
    refused("{" HEAD ",\"event_time\":1795216000}", "user_data must be");
    refused("{" HEAD ",\"event_time\":1795216000,\"user_data\":[]}", "user_data must be an object");
    refused("{" HEAD ",\"event_time\":1795216000,\"user_data\":{}}",
            "user_data must be an object with at least one");
    refused("{" HEAD ",\"event_time\":1795216000,\"user_data\":{\"em\":\" \"}}", "at least one");
    refused("{" HEAD ",\"event_time\":1795216000,\"user_data\":{\"em\":{}}}", "user_data.em must be a text");
    refused("{" HEAD ",\"event_time\":1795216000,\"user_data\":{\"em\":[\"a\",true]}}", "user_data.em.1 must be");
    refused("{" HEAD ",\"event_time\":1795216000,\"user_data\":{\"em\":\"a\\u0000b\"}}", "user_data.em must be");
    refused("{" HEAD ",\"event_time\":1795216000,\"user_data\":{\"db\":\"17/05/1990\"}}", "YYYYMMDD");
    refused("{" HEAD ",\"event_time\":1795216000,\"user_data\":{\"country\":\"Brazil\"}}", "two letters");
    refused("{" HEAD ",\"event_time\":1795216000,\"event_id\":\"\",\"user_data\":{\"em\":\"a\"}}",
            "event_id must be");
    refused("{" HEAD ",\"event_time\":1795216000,\"event_id\":{},\"user_data\":{\"em\":\"a\"}}",
            "event_id must be");
    snprintf(many, sizeof(many), "{" HEAD ",\"event_time\":%d,\"user_data\":{\"em\":\"a\"}}", NOW - 7 * DAY);
    refused(many, "last 7 days");
    CU_ASSERT_EQUAL(fake_take(&f, "woocommerce", NULL, "{}", 2, NOW), RENEWD_EVENT_UNKNOWN);
    fake_close(&f);
}

static void test_times(void)
{
    char text[256];

    start();
    snprintf(text, sizeof(text), "{" HEAD ",\"event_time\":%d,\"user_data\":{\"em\":\"a\"}}", NOW - 7 * DAY + 1);
    CU_ASSERT_EQUAL(take(text), RENEWD_EVENT_TAKE);
    CU_ASSERT_EQUAL(f.last_at, NOW + 1);
    /* A clock that is a little ahead: Meta would refuse the whole batch. */
    snprintf(text, sizeof(text), "{" HEAD ",\"event_time\":%d,\"user_data\":{\"em\":\"a\"}}", NOW + 600);
    CU_ASSERT_EQUAL(take(text), RENEWD_EVENT_TAKE);
    CU_ASSERT_EQUAL(f.event_time, NOW);
    CU_ASSERT_TRUE(holds("{\"event_time\":1795216100,"));
    snprintf(text, sizeof(text),
             "{\"event_name\":\"Visit\",\"action_source\":\"physical_store\",\"event_time\":%d,"
             "\"user_data\":{\"em\":\"a\"}}",
             NOW - 61 * DAY);
    CU_ASSERT_EQUAL(take(text), RENEWD_EVENT_TAKE);
    CU_ASSERT_EQUAL(f.last_at, NOW + DAY);
    fake_close(&f);
}

/* Without an id of its own an event gets one, the same whenever and however spaced it comes. */
static void test_ids(void)
{
    char first[256];

    start();
    CU_ASSERT_EQUAL(take("{" HEAD ",\"event_time\":1795216300,\"user_data\":{\"em\":\"a\"}}"), RENEWD_EVENT_TAKE);
    snprintf(first, sizeof(first), "%s", f.event_id);
    CU_ASSERT_EQUAL(strlen(first), strlen("renewd-") + 32);
    CU_ASSERT_TRUE(holds(first));
    static const char again[] =
        "{ " HEAD ", \"event_time\" : 1795216300, \"event_id\":null, \"user_data\":{\"em\":\" A \"} }";
    CU_ASSERT_EQUAL(fake_take(&f, "", NULL, again, strlen(again), NOW + 150), RENEWD_EVENT_TAKE);
    CU_ASSERT_STRING_EQUAL(f.event_id, first);
    CU_ASSERT_EQUAL(take("{" HEAD ",\"event_time\":1795216301,\"user_data\":{\"em\":\"a\"}}"), RENEWD_EVENT_TAKE);
    CU_ASSERT_STRING_NOT_EQUAL(f.event_id, first);
    CU_ASSERT_EQUAL(take("{" HEAD ",\"event_time\":1795216300,\"user_data\":{\"em\":\"b\"}}"), RENEWD_EVENT_TAKE);
    CU_ASSERT_STRING_NOT_EQUAL(f.event_id, first);
    CU_ASSERT_EQUAL(take("{" HEAD
                         ",\"event_time\":1795216000,\"event_id\":9007199254740993,\"user_data\":{\"em\":\"a\"}}"),
                    RENEWD_EVENT_TAKE);
    CU_ASSERT_STRING_EQUAL(f.event_id, "9007199254740993");
    CU_ASSERT_TRUE(holds("\"event_id\":\"9007199254740993\""));
    fake_close(&f);
}

#define REQUEST_ID                                                                                 \
    "\"event_id\":12345,\"event_name\":\"TestEvent\",\"user_data\":{\"client_user_agent\":\"UA\"," \
    "\"em\":\"f660ab912ec121d1b1e928a0bb4bc61b15f5ad44d5efdc4e1c92a25e99b8e4aa\"}"

/* The body that Segment sends, and what Google Tag Manager's tag makes of numbers. A test is another event than the
 * one that counts, wherever its mark stands. */
static void test_request_of_meta(void)
{
    static const char event[] = "{\"action_source\":\"website\",\"event_time\":1795216000," REQUEST_ID "}";
    static const char inner[] =
        "\"event\":{\"event_time\":1795216000,\"event_id\":\"12345\",\"action_source\":\"website\",";

    start();
    f.beside =
        "{\"test_event_code\":\"TEST41541\",\"partner_agent\":\"gtmss-1.0.0\",\"access_token\":\"EAAG-theirs\"}";
    CU_ASSERT_EQUAL(take(event), RENEWD_EVENT_TAKE);
    CU_ASSERT_PTR_EQUAL(strstr(f.event,
                               "{\"test_event_code\":\"TEST41541\",\"partner_agent\":\"gtmss-1.0.0\",\"event\":{"),
                        f.event);
    CU_ASSERT_TRUE(holds(inner));
    CU_ASSERT_PTR_NULL(strstr(f.event, "EAAG"));
    CU_ASSERT_STRING_EQUAL(f.event_id, "12345");
    CU_ASSERT_STRING_EQUAL(f.event_name, "TestEvent (test TEST41541)");
    f.beside = "{\"test_event_code\":\"\",\"partner_agent\":null}";
    CU_ASSERT_EQUAL(take(event), RENEWD_EVENT_TAKE);
    CU_ASSERT_STRING_EQUAL(f.event_name, "TestEvent");
    CU_ASSERT_EQUAL(strncmp(f.event, "{\"event_time\"", 13), 0);
    f.beside = "{\"test_event_code\":7}";
    CU_ASSERT_EQUAL(take(event), RENEWD_EVENT_REFUSE);
    f.beside = NULL;
    CU_ASSERT_EQUAL(take("{\"action_source\":\"website\",\"test_event_code\":\"T1\",\"event_time\":\"1795216000\","
                         "\"custom_data\":{\"value\":\"123\",\"num_items\":\"4\"}," REQUEST_ID "}"),
                    RENEWD_EVENT_TAKE);
    CU_ASSERT_STRING_EQUAL(f.event_name, "TestEvent (test T1)");
    CU_ASSERT_EQUAL(f.event_time, 1795216000);
    CU_ASSERT_TRUE(holds("{\"test_event_code\":\"T1\",\"event\":{\"event_time\":1795216000,"));
    CU_ASSERT_TRUE(holds("\"custom_data\":{\"value\":\"123\",\"num_items\":\"4\"}"));
    fake_close(&f);
    fake_init(&f);
    fake_setting(&f, "version", "v26.0", 0);
    fake_setting(&f, "test_event_code", "JOB", 0);
    CU_ASSERT_EQUAL_FATAL(fake_open(&f), 0);
    CU_ASSERT_EQUAL(take(event), RENEWD_EVENT_TAKE); /* what the job marks stays marked when the setting goes */
    CU_ASSERT_STRING_EQUAL(f.event_name, "TestEvent (test JOB)");
    fake_close(&f);
}

static char *repeated(const char *head, const char *part, size_t times, const char *tail)
{
    struct buf b;

    buf_init(&b, 1 << 20);
    buf_text(&b, head);
    while (times--)
        buf_text(&b, part);
    buf_text(&b, tail);
    return buf_steal(&b);
}

static void test_hostile(void)
{
    static const char head[] =
        "{" HEAD ",\"event_time\":1795216000,\"event_id\":\"a\",\"user_data\":{\"em\":\"a\"}";
    static const char *const tails[] = {
        ",\"\":{\"a\":1}}", /* a member without a name */
        ",\"custom_data\":{\"n\":99999999999999999999999}}",
        ",\"custom_data\":{\"t\":\"a\\u0000b\"}}",
        ",\"custom_data\":{\"a.b\\\\c\":{\"t\":\"\\u0000\"}}}",
        NULL,
    };
    char text[2048];

    start();
    for (size_t i = 0; tails[i]; i++) {
        snprintf(text, sizeof(text), "%s%s", head, tails[i]);
        CU_ASSERT_EQUAL(take(text), RENEWD_EVENT_REFUSE);
        CU_ASSERT_EQUAL(f.outcome, RENEWD_MISCONFIGURED);
    }
    CU_ASSERT_PTR_NOT_NULL(strstr(f.text, "custom_data.a\\.b\\\\c.t must be a text without NUL"));
    snprintf(text, sizeof(text), "%s%s", head, ",\"custom_data\":{\"a.b\\\\c\":{\"t\":\"x\"},\"v\":1e999}}");
    CU_ASSERT_EQUAL(take(text), RENEWD_EVENT_TAKE);
    CU_ASSERT_TRUE(holds("\"custom_data\":{\"a.b\\\\c\":{\"t\":\"x\"},\"v\":1e999}}"));
    snprintf(text, sizeof(text), "%s,\"x\":\"\xff\xfe\"}", head); /* not UTF-8: no JSON */
    CU_ASSERT_EQUAL(take(text), RENEWD_EVENT_REFUSE);

    char *deep = repeated(head, "", 1, ",\"x\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]}");
    CU_ASSERT_EQUAL(take(deep), RENEWD_EVENT_TAKE);
    free(deep);
    deep = repeated(",\"x\":", "[", 40000, "");
    CU_ASSERT_EQUAL(take(deep), RENEWD_EVENT_REFUSE);
    free(deep);
    char *wide =
        repeated("{" HEAD ",\"event_time\":1795216000,\"user_data\":{\"em\":[\"a\"", ",\"a\"", 1000, "]}}");
    CU_ASSERT_EQUAL(take(wide), RENEWD_EVENT_TAKE);
    free(wide);
    char *large = repeated(head, " ", 65536, "}");
    refused(large, "over 64 KiB");
    free(large);
    char *name =
        repeated("{" HEAD ",\"event_time\":1795216000,\"user_data\":{\"em\":\"a\"},\"", "n", 3000, "\":1}");
    refused(name, "it must be an object whose members have shorter names");
    free(name);
    fake_close(&f);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"an event as it is sent", test_taken},
        {"hashes", test_hashes},
        {"what is hashed already, and what never is", test_hashed_already},
        {"refused", test_refused},
        {"times", test_times},
        {"ids", test_ids},
        {"the request that Meta takes", test_request_of_meta},
        {"hostile bodies", test_hostile},
        {NULL, NULL},
    };
    return run_tests("meta events", tests);
}
