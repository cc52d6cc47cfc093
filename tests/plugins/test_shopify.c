/* SPDX-License-Identifier: MIT
 * What meta.so makes of a shop's webhooks: the signature first, then which event it is, by what it is known
 * again, and what is carried over.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/crypto/crypto.h"
#include "core/crypto/encoding.h"
#include "tests/plugins/fake_services.h"
#include "tests/unit/runner.h"

enum { NOW = 1795216100 };

static struct fake f;
static const char secret[] = "hush-shopify-secret";

static void start(void)
{
    fake_init(&f);
    fake_setting(&f, "version", "v26.0", 0);
    CU_ASSERT_EQUAL_FATAL(fake_open(&f), 0);
}

static char mac[64];

static const char *signed_with(const char *key, const void *body, size_t length)
{
    uint8_t hash[32];
    struct buf b;

    crypto_hmac_sha256(key, strlen(key), body, length, hash);
    buf_init(&b, 100);
    base64_encode(&b, hash, sizeof(hash));
    snprintf(mac, sizeof(mac), "%s", b.data);
    buf_done(&b);
    return mac;
}

static int32_t deliver(const char *topic, const void *body, size_t length)
{
    static const char *const secrets[] = {"an older one", secret, NULL};

    f.header_count = 0;
    fake_header(&f, "X-Shopify-Topic", topic);
    fake_header(&f, "X-Shopify-Hmac-Sha256", signed_with(secret, body, length));
    fake_header(&f, "X-Shopify-Shop-Domain", "a-shop.myshopify.com");
    fake_header(&f, "X-Shopify-Webhook-Id", "w-1");
    fake_header(&f, "X-Shopify-Event-Id", "e-1");
    return fake_take(&f, "shopify", secrets, body, length, NOW);
}

static int holds(const char *text)
{
    if (strstr(f.event, text))
        return 1;
    printf("# not there: %s\n# in %s\n", text, f.event);
    return 0;
}

/* Shopify's own example of a signature. */
static const char order[] =
    "{\"id\":820982911946154508,\"name\":\"#9999\",\"currency\":\"USD\",\"total_price\":\"403.00\"}";
#define ORDER_HASH "d5d0aa715a93c1afba4a86017c532fda36defe25a408943e0854d8c70fb06065" /* by openssl dgst -sha256 */
static const char order_mac[] = "KoyC8Kkaqzwb/VHokf4AAstp/gHI8IurQfMinOtinX4=";

static int32_t claim(const char *name, const char *value, const char *const *secrets)
{
    f.header_count = 0;
    fake_header(&f, "X-Shopify-Topic", "orders/create");
    if (value)
        fake_header(&f, name, value);
    return fake_take(&f, "shopify", secrets, order, strlen(order), NOW);
}

static void test_signature(void)
{
    static const char *const one[] = {secret, NULL}, *const older[] = {"x", secret, "y", NULL};
    static const char *const others[] = {"hush-shopify-secre", "", NULL}, *const none[] = {NULL};
    static const char *const forged[] = {
        "",
        "=",
        "KoyC8Kkaqzwb/VHokf4AAstp/gHI8IurQfMinOtinX5=",
        "KoyC8Kkaqzwb/VHokf4AAstp/gHI8IurQfMinOtinX4",
        "koyC8Kkaqzwb/VHokf4AAstp/gHI8IurQfMinOtinX4=",
        "KoyC8Kkaqzwb_VHokf4AAstp_gHI8IurQfMinOtinX4=",
        " KoyC8Kkaqzwb/VHokf4AAstp/gHI8IurQfMinOtinX4=",
        "KoyC8Kkaqzwb/VHokf4AAstp/gHI8IurQfMinOtinX4=KoyC",
        "KoyC8Kkaqzwb/VHokf4AAstp/gHI8IurQfMinOtin===",
        "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
        "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9",
        "2a8c82f0a91aab3c1bfd51e891fe0002cb69fe01c8f08bab41f3229ceb629d7e",
        NULL,
    };

    start();
    CU_ASSERT_STRING_EQUAL(signed_with(secret, order, strlen(order)), order_mac);
    CU_ASSERT_EQUAL(claim("X-Shopify-Hmac-Sha256", order_mac, one), RENEWD_EVENT_TAKE);
    CU_ASSERT_EQUAL(claim("Shopify-Hmac-Sha256", order_mac, older), RENEWD_EVENT_TAKE);
    CU_ASSERT_EQUAL(claim("X-Shopify-Hmac-Sha256", order_mac, others), RENEWD_EVENT_FORGED);
    CU_ASSERT_EQUAL(claim("X-Shopify-Hmac-Sha256", order_mac, none), RENEWD_EVENT_FORGED);
    CU_ASSERT_EQUAL(claim("X-Shopify-Hmac-Sha256", NULL, one), RENEWD_EVENT_FORGED);
    CU_ASSERT_EQUAL(claim("X-Shopify-Hmac-Sha1", order_mac, one), RENEWD_EVENT_FORGED);
    for (size_t i = 0; forged[i]; i++)
        CU_ASSERT_EQUAL(claim("X-Shopify-Hmac-Sha256", forged[i], one), RENEWD_EVENT_FORGED);
    /* A byte more or less, and it is another body. */
    f.header_count = 0;
    fake_header(&f, "X-Shopify-Topic", "orders/create");
    fake_header(&f, "X-Shopify-Hmac-Sha256", order_mac);
    CU_ASSERT_EQUAL(fake_take(&f, "shopify", one, order, strlen(order) - 1, NOW), RENEWD_EVENT_FORGED);
    CU_ASSERT_EQUAL(fake_take(&f, "shopify", one, order, strlen(order) + 1, NOW), RENEWD_EVENT_FORGED);
    fake_close(&f);
}

static void test_small_order(void)
{
    start();
    CU_ASSERT_EQUAL(deliver("orders/create", order, strlen(order)), RENEWD_EVENT_TAKE);
    CU_ASSERT_STRING_EQUAL(f.event_name, "Purchase");
    CU_ASSERT_STRING_EQUAL(f.event_id, "order-820982911946154508");
    CU_ASSERT_STRING_EQUAL(f.same, "shopify body " ORDER_HASH "\n"
                                   "shopify orders/create Webhook-Id w-1\nshopify orders/create Event-Id e-1\n");
    CU_ASSERT_EQUAL(f.event_time, NOW);
    CU_ASSERT_EQUAL(f.last_at, NOW + 7 * 86400);
    CU_ASSERT_TRUE(holds("{\"event_time\":1795216100,\"event_id\":\"order-820982911946154508\","
                         "\"event_name\":\"Purchase\",\"action_source\":\"other\","
                         "\"user_data\":{\"external_id\":[\""));
    CU_ASSERT_TRUE(holds("\"]},\"custom_data\":{\"currency\":\"USD\",\"value\":403.00,\"order_id\":\"9999\"}}"));
    fake_close(&f);
}

static void test_order(void)
{
    static const char body[] =
        "{\"id\":18446744073709551600,\"name\":\"#1001\",\"email\":\"Jane.Doe@example.com\",\"phone\":\"+16505551212\","
        "\"created_at\":\"2026-11-20T17:20:00-05:00\",\"currency\":\"EUR\",\"total_price\":\"12345678901234567.89\","
        "\"note_attributes\":[{\"name\":\"gift\",\"value\":\"yes\"},{\"name\":\"_fbp\",\"value\":\"fb.1.1.2\"},"
        "{\"name\":\"fbc\",\"value\":\"fb.1.1.IwAR\"}],"
        "\"client_details\":{\"browser_ip\":\"203.0.113.9\",\"user_agent\":\"Mozilla/5.0\"},"
        "\"customer\":{\"id\":9007199254740993},"
        "\"billing_address\":{\"first_name\":\"Jane\",\"last_name\":\"Doe\",\"city\":\"San Francisco\","
        "\"province_code\":\"CA\",\"zip\":\"94107-1234\",\"country_code\":\"US\"},"
        "\"line_items\":[{\"id\":1,\"sku\":\"SKU1\",\"quantity\":2,\"price\":\"0.10\"},"
        "{\"id\":2,\"sku\":\"\",\"variant_id\":39072856123456789,\"quantity\":1,\"price\":\"1e2\"},"
        "{\"title\":\"tip\",\"price\":\"free\"},{\"product_id\":7,\"quantity\":\"many\",\"price\":null}]}";

    start();
    CU_ASSERT_EQUAL(deliver("orders/create", body, strlen(body)), RENEWD_EVENT_TAKE);
    CU_ASSERT_STRING_EQUAL(f.event_id, "order-18446744073709551600");
    CU_ASSERT_EQUAL(f.event_time, 1795213200);
    CU_ASSERT_TRUE(
        holds("\"user_data\":{\"em\":[\"86e0b9e56c17cc4d12387e1949b85053fbe73bc3ce5a1188713a9d300cc6133d\"],"
              "\"ph\":[\"e323ec626319ca94ee8bff2e4c87cf613be6ea19919ed1364124e16807ab3176\"],\"fn\":[\""));
    CU_ASSERT_TRUE(holds("\"client_ip_address\":\"203.0.113.9\",\"client_user_agent\":\"Mozilla/5.0\","
                         "\"fbp\":\"fb.1.1.2\",\"fbc\":\"fb.1.1.IwAR\",\"external_id\":[\""));
    /* San Francisco, CA, 94107, US */
    CU_ASSERT_TRUE(holds("\"ct\":[\"1a6bd4d9d79dc0a79b53795c70d3349fa9e38968a3fbefbfe8783efb1d2b6aac\"]"));
    CU_ASSERT_TRUE(holds("\"st\":[\"6959097001d10501ac7d54c0bdb8db61420f658f2922cc26e46d536119a31126\"]"));
    CU_ASSERT_TRUE(holds("\"country\":[\"79adb2a2fce5c6ba215fe5f27f532d4e7edbac4b6a5e09e1ef3a08084a904621\"]"));
    CU_ASSERT_TRUE(
        holds("\"custom_data\":{\"currency\":\"EUR\",\"value\":12345678901234567.89,\"order_id\":\"1001\","
              "\"content_type\":\"product\",\"contents\":[{\"id\":\"39072856123456789\",\"quantity\":1,"
              "\"item_price\":1e2}]}}"));
    CU_ASSERT_TRUE(holds("\"action_source\":\"website\",\"event_source_url\":\"https://a-shop.myshopify.com/\""));
    CU_ASSERT_PTR_NULL(strstr(f.event, "Jane"));
    CU_ASSERT_PTR_NULL(strstr(f.event, "6505551212"));
    fake_close(&f);
}

static void test_carts_and_checkouts(void)
{
    static const char *const no_secrets[] = {NULL};

    static const char cart[] =
        "{\"id\":\"eeafa272cebfd4b22385bc4b645e762c\",\"token\":\"eeafa272cebfd4b22385bc4b645e762c?key=k\","
        "\"line_items\":[{\"id\":704912205188288575,\"variant_id\":704912205188288575,\"quantity\":3,\"price\":\"9.99\","
        "\"price_set\":{\"shop_money\":{\"amount\":\"9.99\",\"currency_code\":\"CAD\"}}}],"
        "\"note\":null,\"updated_at\":\"2026-11-20T00:00:00Z\",\"created_at\":\"2026-11-20T00:00:00Z\"}";
    static const char checkout[] =
        "{\"id\":981820079255243537,\"token\":\"b1946ac92492d2347c6235b4d2611184\",\"email\":null,\"currency\":\"USD\","
        "\"total_price\":\"398.00\",\"created_at\":\"nonsense\",\"customer\":{\"id\":7,\"email\":\"jane.doe@example.com\"}}";

    start();
    CU_ASSERT_EQUAL(deliver("carts/create", cart, strlen(cart)), RENEWD_EVENT_TAKE);
    CU_ASSERT_STRING_EQUAL(f.event_name, "AddToCart");
    CU_ASSERT_STRING_EQUAL(f.event_id, "cart-eeafa272cebfd4b22385bc4b645e762c");
    CU_ASSERT_TRUE(holds("\"action_source\":\"other\""));        /* no browser shows itself */
    CU_ASSERT_TRUE(holds("\"user_data\":{\"external_id\":[\"")); /* of nobody else */
    CU_ASSERT_TRUE(holds("\"custom_data\":{\"currency\":\"CAD\",\"content_type\":\"product\",\"contents\":"
                         "[{\"id\":\"704912205188288575\",\"quantity\":3,\"item_price\":9.99}]}"));
    CU_ASSERT_EQUAL(deliver("checkouts/create", checkout, strlen(checkout)), RENEWD_EVENT_TAKE);
    CU_ASSERT_STRING_EQUAL(f.event_name, "InitiateCheckout");
    CU_ASSERT_STRING_EQUAL(f.event_id, "checkout-b1946ac92492d2347c6235b4d2611184");
    CU_ASSERT_EQUAL(f.event_time, NOW);
    CU_ASSERT_TRUE(holds("\"em\":[\"86e0b9e56c17cc4d12387e1949b85053fbe73bc3ce5a1188713a9d300cc6133d\"]"));
    CU_ASSERT_TRUE(holds("\"value\":398.00"));
    CU_ASSERT_EQUAL(deliver("orders/paid", order, strlen(order)), RENEWD_EVENT_IGNORE);
    CU_ASSERT_EQUAL(deliver("orders/create ", order, strlen(order)), RENEWD_EVENT_IGNORE);
    CU_ASSERT_EQUAL(fake_take(&f, "Shopify", no_secrets, order, strlen(order), NOW), RENEWD_EVENT_UNKNOWN);
    fake_close(&f);
}

/* The newer headers, a time from the delivery, keys that are no key, a shop that is none. */
static void test_headers(void)
{
    static const char *const secrets[] = {secret, NULL};
    char longest[400];

    start();
    memset(longest, 'w', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    fake_header(&f, "Shopify-Topic", "orders/create");
    fake_header(&f, "Shopify-Hmac-Sha256", order_mac);
    fake_header(&f, "Shopify-Triggered-At", "2026-11-20T00:00:00.123Z");
    fake_header(&f, "Shopify-Webhook-Id", longest);
    fake_header(&f, "Shopify-Shop-Domain", "a/b?c");
    CU_ASSERT_EQUAL(fake_take(&f, "shopify", secrets, order, strlen(order), NOW), RENEWD_EVENT_TAKE);
    CU_ASSERT_EQUAL(f.event_time, 1795132800);
    CU_ASSERT_EQUAL(strlen(f.same),
                    strlen("shopify body ") + 64 + 1 + strlen("shopify orders/create Webhook-Id ") + 64 + 1);
    CU_ASSERT_PTR_NULL(strstr(f.event, "event_source_url"));
    f.header_count = 0;
    fake_header(&f, "Shopify-Hmac-Sha256", order_mac);
    CU_ASSERT_EQUAL(fake_take(&f, "shopify", secrets, order, strlen(order), NOW), RENEWD_EVENT_REFUSE);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.text, "X-Shopify-Topic"));
    fake_close(&f);
}

/* An order that reaches us late is taken: that it is too old by then is noted with it. */
static void test_old(void)
{
    static const char body[] = "{\"id\":7,\"created_at\":\"2026-11-01T00:00:00Z\"}";
    static const char future[] = "{\"id\":7,\"created_at\":\"2027-11-01T00:00:00Z\"}";

    start();
    CU_ASSERT_EQUAL(deliver("orders/create", body, strlen(body)), RENEWD_EVENT_TAKE);
    CU_ASSERT_EQUAL(f.event_time, 1793491200);
    CU_ASSERT_EQUAL(f.last_at, 1793491200 + 7 * 86400);
    CU_ASSERT_EQUAL(deliver("orders/create", future, strlen(future)), RENEWD_EVENT_TAKE);
    CU_ASSERT_EQUAL(f.event_time, NOW);
    fake_close(&f);
}

/* Shopify's own test notification, as its pages print it, cut to what is read. */
static const char sample[] =
    "{\"id\":820982911946154508,\"admin_graphql_api_id\":\"gid://shopify/Order/820982911946154508\",\"app_id\":null,"
    "\"browser_ip\":null,\"buyer_accepts_marketing\":true,\"cancel_reason\":\"customer\","
    "\"cancelled_at\":\"2021-12-31T19:00:00-05:00\",\"cart_token\":null,\"client_details\":null,\"confirmed\":false,"
    "\"created_at\":\"2021-12-31T19:00:00-05:00\",\"currency\":\"USD\",\"email\":\"jon@example.com\",\"name\":\"#9999\","
    "\"source_name\":\"web\",\"test\":true,\"total_price\":\"388.00\",\"line_items\":[{\"id\":866550311766439020,"
    "\"product_id\":788032119674292922,\"sku\":\"SKU2006-001\",\"variant_id\":null,\"quantity\":1,\"price\":\"199.00\"}]}";

static void with_setting(const char *name, const char *value)
{
    fake_init(&f);
    fake_setting(&f, "version", "v26.0", 0);
    fake_setting(&f, name, value, 0);
    CU_ASSERT_EQUAL_FATAL(fake_open(&f), 0);
}

static void test_tests(void)
{
    static const char test[] = "{\"id\":7,\"test\":true}",
                      cancelled[] = "{\"id\":8,\"cancelled_at\":\"2026-11-20T00:00:00Z\"}";

    start();
    CU_ASSERT_EQUAL(deliver("orders/create", sample, strlen(sample)), RENEWD_EVENT_TAKE);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.dropped, "it is a cancelled test order, such as Shopify's test notification"));
    CU_ASSERT_STRING_EQUAL(f.event_name, "Purchase (test)");
    CU_ASSERT_STRING_EQUAL(f.event_id, "order-820982911946154508");
    CU_ASSERT_STRING_EQUAL(f.event, "{}"); /* nothing of a person is kept */
    CU_ASSERT_EQUAL(deliver("orders/create", test, strlen(test)), RENEWD_EVENT_TAKE);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.dropped, "it is a test order; set test_order_code"));
    CU_ASSERT_EQUAL(deliver("orders/create", cancelled, strlen(cancelled)), RENEWD_EVENT_TAKE);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.dropped, "cancelled"));
    CU_ASSERT_EQUAL(deliver("orders/create", order, strlen(order)), RENEWD_EVENT_TAKE);
    CU_ASSERT_STRING_EQUAL(f.dropped, "");
    CU_ASSERT_STRING_EQUAL(f.event_name, "Purchase");
    fake_close(&f);
    with_setting("test_order_code", "TEST7");
    CU_ASSERT_EQUAL(deliver("orders/create", test, strlen(test)), RENEWD_EVENT_TAKE);
    CU_ASSERT_STRING_EQUAL(f.dropped, "");
    CU_ASSERT_STRING_EQUAL(f.event_name, "Purchase (test TEST7)");
    CU_ASSERT_TRUE(holds("{\"test_event_code\":\"TEST7\",\"event\":{\"event_time\""));
    CU_ASSERT_EQUAL(deliver("orders/create", sample, strlen(sample)), RENEWD_EVENT_TAKE);
    CU_ASSERT_STRING_NOT_EQUAL(f.dropped, ""); /* cancelled all the same */
    CU_ASSERT_EQUAL(deliver("orders/create", order, strlen(order)), RENEWD_EVENT_TAKE);
    CU_ASSERT_EQUAL(strncmp(f.event, "{\"event_time\"", 13), 0);
    fake_close(&f);
}

/* Where it happened: what is the shopper's own goes along where a shopper's browser was there, and nowhere else. */
static void test_sources(void)
{
    static const struct {
        const char *members, *source;
        int64_t life;
    } cases[] = {
        {"\"source_name\":\"web\",\"client_details\":{\"user_agent\":\"M\",\"browser_ip\":\"192.0.2.1\"}",
         "website", 7},
        {"\"source_name\":\"580111\",\"client_details\":{\"user_agent\":\"M\"}", "website", 7},
        {"\"client_details\":{\"user_agent\":\"M\"}", "website", 7},
        {"\"source_name\":\"web\",\"client_details\":null", "other", 7},
        {"\"source_name\":\"pos\"", "physical_store", 62},
        {"\"source_name\":\"pos\",\"client_details\":{\"user_agent\":\"Till\",\"browser_ip\":\"192.0.2.2\"}",
         "physical_store", 62},
        {"\"source_name\":\"subscription_contract\"", "system_generated", 7},
        {"\"source_name\":\"subscription_contract_checkout_one\",\"client_details\":{\"user_agent\":\"M\"}",
         "system_generated", 7},
        {"\"source_name\":\"shopify_draft_order\",\"client_details\":{\"user_agent\":\"Clerk\"}", "other", 7},
    };

    start();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char body[400], wanted[80];
        snprintf(body, sizeof(body), "{\"id\":%lu,%s}", (unsigned long)i + 1, cases[i].members);
        snprintf(wanted, sizeof(wanted), "\"action_source\":\"%s\"", cases[i].source);
        CU_ASSERT_EQUAL(deliver("orders/create", body, strlen(body)), RENEWD_EVENT_TAKE);
        CU_ASSERT_TRUE(holds(wanted));
        CU_ASSERT_EQUAL(f.last_at, f.event_time + cases[i].life * 86400);
        int web = strcmp(cases[i].source, "website") == 0;
        CU_ASSERT_EQUAL(strstr(f.event, "client_user_agent") != NULL, web);
        CU_ASSERT_EQUAL(strstr(f.event, "event_source_url") != NULL, web);
        CU_ASSERT_TRUE(web || !strstr(f.event, "192.0.2"));
    }
    fake_close(&f);
}

static void test_content_ids(void)
{
    static const char body[] =
        "{\"id\":1,\"line_items\":[{\"sku\":\"A\",\"variant_id\":11,\"product_id\":1},{\"sku\":\"A\",\"variant_id\":12,"
        "\"product_id\":1},{\"sku\":\"\",\"variant_id\":21,\"product_id\":2},{\"title\":\"tip\"}]}";

    start();
    CU_ASSERT_EQUAL(deliver("orders/create", body, strlen(body)), RENEWD_EVENT_TAKE);
    CU_ASSERT_TRUE(
        holds("\"content_type\":\"product\",\"contents\":[{\"id\":\"11\"},{\"id\":\"12\"},{\"id\":\"21\"}]"));
    fake_close(&f);
    with_setting("content_id", "sku");
    CU_ASSERT_EQUAL(deliver("orders/create", body, strlen(body)), RENEWD_EVENT_TAKE);
    CU_ASSERT_TRUE(holds("\"content_type\":\"product\",\"contents\":[{\"id\":\"A\"},{\"id\":\"A\"}]"));
    fake_close(&f);
    with_setting("content_id", "product_id");
    CU_ASSERT_EQUAL(deliver("orders/create", body, strlen(body)), RENEWD_EVENT_TAKE);
    CU_ASSERT_TRUE(
        holds("\"content_type\":\"product_group\",\"contents\":[{\"id\":\"1\"},{\"id\":\"1\"},{\"id\":\"2\"}]"));
    fake_close(&f);
}

/* Hashes by `printf %s 33612345678 | openssl dgst -sha256`. */
static void test_phones(void)
{
    static const struct {
        const char *members, *hash;
    } cases[] = {
        {"\"phone\":null,\"billing_address\":{\"phone\":\"06 12 34 56 78\",\"country_code\":\"FR\"}",
         "8a3e7886c9335e82e02299fa3e87b46e2de3b0c63d56003e30a5029394a47661"},
        {"\"phone\":null,\"billing_address\":{\"phone\":\"(650) 555-1212\",\"country_code\":\"US\"}",
         "e323ec626319ca94ee8bff2e4c87cf613be6ea19919ed1364124e16807ab3176"},
        {"\"billing_address\":{\"phone\":\"0033612345678\",\"country_code\":\"FR\"}",
         "8a3e7886c9335e82e02299fa3e87b46e2de3b0c63d56003e30a5029394a47661"},
        {"\"billing_address\":{\"phone\":\"+33612345678\",\"country_code\":\"FR\"}",
         "8a3e7886c9335e82e02299fa3e87b46e2de3b0c63d56003e30a5029394a47661"},
        {"\"billing_address\":{\"phone\":\"020 7946 0018\",\"country_code\":\"GB\"}",
         "99a4599795d24445a5be21117f375c1bbe9e795daf7f62666686ce081e1f32dc"},
        {"\"billing_address\":{\"phone\":\"06 12 34 56 78\"}", NULL},
        {"\"phone\":\"06 12 34 56 78\",\"shipping_address\":{\"phone\":\"020 7946 0018\",\"country_code\":\"GB\"}",
         "99a4599795d24445a5be21117f375c1bbe9e795daf7f62666686ce081e1f32dc"},
        {"\"billing_address\":{\"country_code\":\"US\"},\"shipping_address\":{\"phone\":\"06 12 34 56 78\",\"country_code\":\"FR\"}",
         "8a3e7886c9335e82e02299fa3e87b46e2de3b0c63d56003e30a5029394a47661"},
        {"\"phone\":\"call me\",\"customer\":{\"phone\":\"+442079460018\"}",
         "99a4599795d24445a5be21117f375c1bbe9e795daf7f62666686ce081e1f32dc"},
    };

    start();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char body[400], wanted[100];
        snprintf(body, sizeof(body), "{\"id\":1,%s}", cases[i].members);
        snprintf(wanted, sizeof(wanted), "\"ph\":[\"%s\"]", cases[i].hash ? cases[i].hash : "");
        CU_ASSERT_EQUAL(deliver("orders/create", body, strlen(body)), RENEWD_EVENT_TAKE);
        CU_ASSERT_TRUE(cases[i].hash ? holds(wanted) : !strstr(f.event, "\"ph\""));
    }
    fake_close(&f);
}

/* A refusal names the shop; the topic is not signed, and makes no other event of a body. */
static void test_said(void)
{
    static const char *const secrets[] = {secret, NULL};
    char keys[sizeof(f.same)];

    start();
    CU_ASSERT_EQUAL(deliver("orders/create", "[1]", 3), RENEWD_EVENT_REFUSE);
    CU_ASSERT_PTR_NOT_NULL(
        strstr(f.text, "a-shop.myshopify.com is not sent as an event: its body is not a JSON object"));
    f.header_count = 0;
    fake_header(&f, "X-Shopify-Shop-Domain", "a-shop.myshopify.com");
    CU_ASSERT_EQUAL(fake_take(&f, "shopify", secrets, order, strlen(order), NOW), RENEWD_EVENT_FORGED);
    CU_ASSERT_PTR_NOT_NULL(strstr(f.text, "a-shop.myshopify.com: it has no X-Shopify-Hmac-Sha256"));
    fake_header(&f, "X-Shopify-Hmac-Sha256", "nonsense");
    CU_ASSERT_EQUAL(fake_take(&f, "shopify", secrets, order, strlen(order), NOW), RENEWD_EVENT_FORGED);
    CU_ASSERT_PTR_NOT_NULL(
        strstr(f.text, "a-shop.myshopify.com: its signature fits none of the job's webhooks.secrets"));
    CU_ASSERT_EQUAL(deliver("orders/create", order, strlen(order)), RENEWD_EVENT_TAKE);
    snprintf(keys, sizeof(keys), "%.*s", (int)strcspn(f.same, "\n"), f.same);
    CU_ASSERT_EQUAL(deliver("carts/create", order, strlen(order)), RENEWD_EVENT_TAKE);
    CU_ASSERT_EQUAL(strncmp(f.same, keys, strlen(keys)), 0);
    fake_close(&f);
}

static void test_hostile(void)
{
    static const char *const bodies[] = {
        "",
        "[]",
        "null",
        "{",
        "{}",
        "{\"id\":null}",
        "{\"id\":{}}",
        "{\"id\":[1]}",
        "{\"id\":true}",
        "{\"id\":1.5}",
        "{\"id\":99999999999999999999999999}",
        "{\"id\":\"a\\u0000b\"}",
        "{\"id\":\"\"}",
        "{\"id\":\"a b\"}",
        "{\"id\":\"\\u00e9\"}",
        "{\"id\":\"?key=1\"}",
        "\xff\xfe{\"id\":1}",
        "{\"id\":1,\"name\":\"\xff\"}",
        NULL,
    };
    static const char with_nul[] = "{\"id\":1,\0\"name\":\"x\"}";
    static const char wrong_types[] =
        "{\"id\":1,\"name\":{},\"email\":[],\"phone\":{\"a\":1},\"created_at\":7,\"currency\":{},\"total_price\":[],"
        "\"note_attributes\":\"x\",\"client_details\":[],\"customer\":\"x\",\"billing_address\":7,\"line_items\":"
        "[7,null,[],{},{\"sku\":{},\"variant_id\":1.5,\"quantity\":-1,\"price\":\"NaN\"},{\"sku\":\"s\",\"quantity\":1e99,"
        "\"price\":\"1.\"}]}";
    static const char map[] = "{\"id\":1,\"line_items\":{\"a\":1},\"attributes\":{\"_fbp\":\"p\",\"fbc\":7}}";
    struct buf deep;

    start();
    for (size_t i = 0; bodies[i]; i++) {
        CU_ASSERT_EQUAL(deliver("orders/create", bodies[i], strlen(bodies[i])), RENEWD_EVENT_REFUSE);
        if (f.outcome != RENEWD_MISCONFIGURED)
            printf("# %s\n", bodies[i]);
    }
    CU_ASSERT_EQUAL(deliver("orders/create", with_nul, sizeof(with_nul) - 1), RENEWD_EVENT_REFUSE);
    CU_ASSERT_EQUAL(deliver("orders/create", wrong_types, strlen(wrong_types)), RENEWD_EVENT_TAKE);
    CU_ASSERT_TRUE(holds("\"custom_data\":{\"order_id\":\"1\",\"content_type\":\"product\",\"contents\":[]}}"));
    CU_ASSERT_EQUAL(deliver("orders/create", map, strlen(map)), RENEWD_EVENT_TAKE);
    CU_ASSERT_TRUE(holds("\"fbp\":\"p\",\"fbc\":\"7\""));
    buf_init(&deep, 1 << 20);
    buf_text(&deep, "{\"id\":1,\"x\":");
    for (int i = 0; i < 100000; i++)
        buf_text(&deep, "[");
    CU_ASSERT_EQUAL(deliver("orders/create", deep.data, deep.len), RENEWD_EVENT_REFUSE);
    buf_done(&deep);
    buf_init(&deep, 1 << 20);
    buf_text(&deep, "{\"id\":1,\"line_items\":[{\"sku\":\"s\"}");
    for (int i = 0; i < 5000; i++)
        buf_text(&deep, ",{\"sku\":\"s\"}");
    buf_text(&deep, "]}");
    CU_ASSERT_EQUAL(deliver("orders/create", deep.data, deep.len), RENEWD_EVENT_TAKE);
    CU_ASSERT_TRUE(strlen(f.event) < 10000);
    buf_done(&deep);
    fake_close(&f);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"the signature", test_signature},
        {"the smallest order", test_small_order},
        {"an order", test_order},
        {"carts and checkouts", test_carts_and_checkouts},
        {"headers", test_headers},
        {"old ones", test_old},
        {"tests and cancelled orders", test_tests},
        {"where it happened", test_sources},
        {"ids of goods", test_content_ids},
        {"telephone numbers", test_phones},
        {"what is said of it", test_said},
        {"hostile bodies", test_hostile},
        {NULL, NULL},
    };
    return run_tests("shopify", tests);
}
