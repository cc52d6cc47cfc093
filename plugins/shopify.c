/* SPDX-License-Identifier: MIT
 * Converts a shop's webhook into an event of the Conversions API: an order a Purchase, a cart an AddToCart, a
 * checkout an InitiateCheckout. Only the body is signed, so nothing is parsed before the signature is verified, and
 * a header only decides which event it is and whether it came before. Ids are beyond 2^53 and amounts are decimal
 * texts: both are copied digit by digit.
 */
#include <stdio.h>
#include <string.h>

#include "meta_events.h"
#include "meta_person.h"
#include "meta_phone.h"

#define HMAC 32
#define HMAC_BASE64 44
#define LONGEST_ID 150
#define LONGEST_HOST 253
#define LONGEST_KEY 120 /* a longer id of a delivery is kept as its hash */
#define CONTENTS 250
#define PATH 160

/* One webhook on its way. */
struct hook {
    const struct meta *meta;
    const struct renewd_services *services;
    struct renewd_call *call;
    const struct renewd_json *json;
    struct renewd_writer *writer;
    const struct renewd_reply *message;
    const char *source; /* action_source */
    int told;           /* members of user_data */
};

static const char website[] = "website"; /* the one source that a browser's address and agent belong to */

/* What becomes of a topic. */
static const struct topic {
    const char *name, *event, *test, *prefix, *page;
    const char *const ids[3]; /* the first one that is there names the event */
} topics[] = {
    {"orders/create", "Purchase", "Purchase (test)", "order-", "/", {"id", "token", NULL}},
    {"carts/create", "AddToCart", "AddToCart (test)", "cart-", "/cart", {"token", "id", NULL}},
    {"checkouts/create",
     "InitiateCheckout",
     "InitiateCheckout (test)",
     "checkout-",
     "/checkout",
     {"token", "id", NULL}},
};

/* A header in its older form, X-Shopify-Topic, or its newer one, Shopify-Topic; NULL = neither. */
static const char *header(const struct hook *h, const char *name)
{
    const char *const older[] = {"X-Shopify-", name, NULL}, *const newer[] = {"Shopify-", name, NULL};
    const struct renewd_services *s = h->services;
    const char *text = s->reply_header(h->message, s->join(h->call, older));

    return text && *text ? text : s->reply_header(h->message, s->join(h->call, newer));
}

/* The shop's host name from the delivery's header, which is not signed; NULL = none that is valid. */
static const char *shop_of(const struct hook *h)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.";
    const char *shop = header(h, "Shop-Domain");

    return shop && strspn(shop, letters) == strlen(shop) && strlen(shop) <= LONGEST_HOST ? shop : NULL;
}

static const char *either(const char *a, const char *b)
{
    return a ? a : b;
}

static int32_t refuse(const struct hook *h, const char *why)
{
    const char *const parts[] = {"the webhook of ", either(shop_of(h), "an unknown shop"),
                                 " is not sent as an event: ", why, NULL};
    return meta_refuse_event(h->meta, h->call, parts);
}

static int32_t forged(const struct hook *h)
{
    const char *const parts[] = {"the webhook of ", either(shop_of(h), "an unknown shop"),
                                 header(h, "Hmac-Sha256")
                                     ? ": its signature fits none of the job's webhooks.secrets"
                                     : ": it has no X-Shopify-Hmac-Sha256",
                                 NULL};
    h->services->fail(h->call, RENEWD_MISCONFIGURED, NULL, h->services->join(h->call, parts));
    return RENEWD_EVENT_FORGED;
}

/* ---- The signature ------------------------------------------------------------------------ */

static int digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* 1 = text is base64 of that many bytes. */
static int decode_mac(const char *text, uint8_t *ret_32)
{
    uint32_t bits = 0;
    int held = 0;
    size_t at = 0;

    if (strlen(text) != HMAC_BASE64 || text[HMAC_BASE64 - 1] != '=')
        return 0;
    for (size_t i = 0; i < HMAC_BASE64 - 1; i++) {
        int value = digit(text[i]);
        if (value < 0)
            return 0;
        bits = bits << 6 | (uint32_t)value;
        held += 6;
        if (held >= 8) {
            held -= 8;
            ret_32[at++] = (uint8_t)(bits >> held);
        }
    }
    return (bits & ((1u << held) - 1)) == 0;
}

/* Every secret is tried, so that the time does not show which one matched. */
static int is_genuine(const struct hook *h, const char *const *secrets)
{
    const char *claimed = header(h, "Hmac-Sha256");
    uint8_t theirs[HMAC], ours[HMAC];
    int good = 0;

    if (!claimed || !decode_mac(claimed, theirs))
        return 0;
    for (; *secrets; secrets++) {
        h->services->hmac_sha256(*secrets, strlen(*secrets), h->message->body, h->message->length, ours);
        good |= h->services->equal(ours, theirs, HMAC);
    }
    return good;
}

/* ---- Reading ------------------------------------------------------------------------------ */

/* A text, or a number's digits; NULL = neither, or empty. */
static const char *value(const struct hook *h, const char *path)
{
    const struct renewd_services *s = h->services;
    int32_t kind = s->json_kind(h->json, path);
    const char *text = kind == RENEWD_JSON_STRING    ? s->json_text(h->json, path)
                       : kind == RENEWD_JSON_INTEGER ? s->json_digits(h->call, h->json, path)
                                                     : NULL;
    return text && *text ? text : NULL;
}

/* The first of these paths that has one. */
static const char *first_value(const struct hook *h, const char *const *paths)
{
    const char *text = NULL;

    for (; *paths && !text; paths++)
        text = value(h, *paths);
    return text;
}

/* An amount as its digits, fit to be a number in JSON; NULL = none. */
static const char *amount(const struct hook *h, const char *path)
{
    int32_t kind = h->services->json_kind(h->json, path);

    if (kind != RENEWD_JSON_STRING && kind != RENEWD_JSON_NUMBER && kind != RENEWD_JSON_INTEGER)
        return NULL;
    return h->services->json_digits(h->call, h->json, path);
}

static int is_plain(const char *text, size_t longest)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        if (*p <= ' ' || *p >= 0x7f)
            return 0;
    return strlen(text) <= longest;
}

/* ---- Whose it is -------------------------------------------------------------------------- */

static void put_hash(struct hook *h, const char *key, const char *text, const char *country)
{
    const char *wrong;
    const char *hash = text ? person_hash(h->services, h->call, key, text, country, &wrong) : NULL;

    if (!hash)
        return;
    h->services->write_open(h->writer, key, RENEWD_JSON_ARRAY);
    h->services->write_text(h->writer, NULL, hash);
    h->services->write_close(h->writer);
    h->told++;
}

static void put_plain(struct hook *h, const char *key, const char *text)
{
    if (!text)
        return;
    h->services->write_text(h->writer, key, text);
    h->told++;
}

/* The pixel's cookies that the shop's page stored with the order: note_attributes with the cookies' names. */
static const char *cookie(const struct hook *h, const char *name)
{
    static const char *const lists[] = {"note_attributes", "attributes", NULL};
    const char *found = NULL;

    for (size_t k = 0; lists[k] && !found; k++) {
        char path[PATH];
        size_t count = h->services->json_count(h->json, lists[k]);
        for (size_t i = 0; i < count && i < 100 && !found; i++) {
            snprintf(path, sizeof(path), "%s.%lu.name", lists[k], (unsigned long)i);
            const char *text = value(h, path);
            if (!text || strcmp(text + (*text == '_'), name) != 0)
                continue;
            snprintf(path, sizeof(path), "%s.%lu.value", lists[k], (unsigned long)i);
            found = value(h, path);
        }
        for (int under = 0; under < 2 && !found; under++) {
            snprintf(path, sizeof(path), "%s.%s%s", lists[k], under ? "_" : "", name);
            found = value(h, path);
        }
    }
    return found;
}

/* A member of the first address that has it. */
static const char *of_address(const struct hook *h, const char *member)
{
    static const char *const addresses[] = {"billing_address", "shipping_address", "customer.default_address",
                                            NULL};
    const char *text = NULL;
    char path[PATH];

    for (size_t i = 0; addresses[i] && !text; i++) {
        snprintf(path, sizeof(path), "%s.%s", addresses[i], member);
        text = value(h, path);
    }
    return text;
}

/* The first number that can be dialled internationally. Each number is read with the country beside it; the
 * customer's own number with that of the first address. */
static const char *phone(const struct hook *h, const char *country, char ret[PHONE_SIZE])
{
    static const char *const places[][2] = {
        {"phone", NULL},
        {"customer.phone", NULL},
        {"billing_address.phone", "billing_address.country_code"},
        {"shipping_address.phone", "shipping_address.country_code"},
        {"customer.default_address.phone", "customer.default_address.country_code"},
    };

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        const char *text = value(h, places[i][0]);
        if (text && phone_read(text, places[i][1] ? value(h, places[i][1]) : country, 0, ret))
            return ret;
    }
    return NULL;
}

static void write_user_data(struct hook *h, const char *event_id)
{
    static const char *const emails[] = {"email", "contact_email", "customer.email", NULL};
    static const char *const addresses[] = {"client_details.browser_ip", "browser_ip", NULL};
    const char *country = of_address(h, "country_code");
    char number[PHONE_SIZE];

    h->services->write_open(h->writer, "user_data", RENEWD_JSON_OBJECT);
    put_hash(h, "em", first_value(h, emails), NULL);
    put_hash(h, "ph", phone(h, country, number), NULL);
    put_hash(h, "fn", either(of_address(h, "first_name"), value(h, "customer.first_name")), NULL);
    put_hash(h, "ln", either(of_address(h, "last_name"), value(h, "customer.last_name")), NULL);
    put_hash(h, "ct", of_address(h, "city"), NULL);
    put_hash(h, "st", either(of_address(h, "province_code"), of_address(h, "province")), NULL);
    put_hash(h, "zp", of_address(h, "zip"), country);
    put_hash(h, "country", country, NULL);
    if (h->source == website) { /* elsewhere they are a till's, or a clerk's */
        put_plain(h, "client_ip_address", first_value(h, addresses));
        put_plain(h, "client_user_agent", value(h, "client_details.user_agent"));
    }
    put_plain(h, "fbp", cookie(h, "fbp"));
    put_plain(h, "fbc", cookie(h, "fbc"));
    /* A cart names no customer, and Meta requires one: the event's id stands for that cart's visitor. */
    put_hash(h, "external_id", either(value(h, "customer.id"), h->told ? NULL : event_id), NULL);
    h->services->write_close(h->writer);
}

/* ---- What it is about --------------------------------------------------------------------- */

static const char *of_line(const struct hook *h, size_t index, const char *member)
{
    char path[PATH];

    snprintf(path, sizeof(path), "line_items.%lu.%s", (unsigned long)index, member);
    return value(h, path);
}

static void write_line(struct hook *h, size_t index)
{
    const struct renewd_services *s = h->services;
    char path[PATH];
    int64_t quantity = 0;
    const char *id = of_line(h, index, h->meta->content_id);

    if (!id)
        return;
    s->write_open(h->writer, NULL, RENEWD_JSON_OBJECT);
    s->write_text(h->writer, "id", id);
    snprintf(path, sizeof(path), "line_items.%lu.quantity", (unsigned long)index);
    if (s->json_integer(h->json, path, &quantity) >= 0 && quantity > 0)
        s->write_integer(h->writer, "quantity", quantity);
    snprintf(path, sizeof(path), "line_items.%lu.price", (unsigned long)index);
    const char *price = amount(h, path);
    if (price)
        s->write_raw(h->writer, "item_price", price);
    s->write_close(h->writer);
}

/* "#9999", the number that people know it by. */
static const char *order_number(const struct hook *h)
{
    const char *name = value(h, "name");

    if (name && *name == '#')
        name++;
    return name && *name ? name : either(value(h, "order_number"), value(h, "id"));
}

static void write_custom_data(struct hook *h, const struct topic *t)
{
    static const char *const currencies[] = {"currency", "presentment_currency",
                                             "line_items.0.price_set.shop_money.currency_code", NULL};
    const struct renewd_services *s = h->services;
    const char *currency = first_value(h, currencies), *total = amount(h, "total_price");
    size_t count = s->json_count(h->json, "line_items");

    s->write_open(h->writer, "custom_data", RENEWD_JSON_OBJECT);
    if (currency)
        s->write_text(h->writer, "currency", currency);
    if (currency && total)
        s->write_raw(h->writer, "value", total);
    if (t == &topics[0] && order_number(h))
        s->write_text(h->writer, "order_id", order_number(h));
    if (s->json_kind(h->json, "line_items") == RENEWD_JSON_ARRAY && count > 0) {
        s->write_text(h->writer, "content_type",
                      strcmp(h->meta->content_id, "product_id") == 0 ? "product_group" : "product");
        s->write_open(h->writer, "contents", RENEWD_JSON_ARRAY);
        for (size_t i = 0; i < count && i < CONTENTS; i++)
            write_line(h, i);
        s->write_close(h->writer);
    }
    s->write_close(h->writer);
}

static void write_page(struct hook *h, const struct topic *t)
{
    const char *shop = shop_of(h);

    if (!shop || h->source != website)
        return;
    const char *const url[] = {"https://", shop, t->page, NULL};
    h->services->write_text(h->writer, "event_source_url", h->services->join(h->call, url));
}

/* ---- Which one it is ---------------------------------------------------------------------- */

/* Whatever a header says of it: the body alone is signed. */
static const char *body_key(const struct hook *h)
{
    const struct renewd_services *s = h->services;
    uint8_t hash[32];

    s->sha256(h->message->body, h->message->length, hash);
    const char *const parts[] = {"shopify body ", s->hex(h->call, hash, sizeof(hash)), NULL};
    return s->join(h->call, parts);
}

/* The same for every delivery of it; NULL = it names itself in no usable way. */
static const char *event_id(const struct hook *h, const struct topic *t)
{
    const char *id = first_value(h, t->ids);
    char text[LONGEST_ID + 1];
    size_t length = id ? strcspn(id, "?") : 0; /* behind it a cart's token has its key */

    if (length == 0 || length > LONGEST_ID)
        return NULL;
    memcpy(text, id, length);
    text[length] = '\0';
    if (!is_plain(text, LONGEST_ID))
        return NULL;
    const char *const parts[] = {t->prefix, text, NULL};
    return h->services->join(h->call, parts);
}

/* The key by which a repeated delivery is recognised; NULL when the header is absent. */
static const char *same_key(const struct hook *h, const struct topic *t, const char *name)
{
    const struct renewd_services *s = h->services;
    const char *id = header(h, name);
    uint8_t hash[32];

    if (!id)
        return NULL;
    if (!is_plain(id, LONGEST_KEY)) {
        s->sha256(id, strlen(id), hash);
        id = s->hex(h->call, hash, sizeof(hash));
    }
    const char *const parts[] = {"shopify ", t->name, " ", name, " ", id, NULL};
    return s->join(h->call, parts);
}

static const char *const *same_keys(const struct hook *h, const struct topic *t)
{
    const char **keys = h->services->memory(h->call, 4 * sizeof(*keys));
    size_t count = 0;

    if (!keys)
        return NULL;
    keys[count++] = body_key(h);
    keys[count] = same_key(h, t, "Webhook-Id");
    count += keys[count] != NULL;
    keys[count] = same_key(h, t, "Event-Id");
    return keys;
}

/* When it happened, as the body says, else as the delivery does; never later than now. */
static int64_t when(const struct hook *h, int64_t now)
{
    const char *created = h->services->json_text(h->json, "created_at");
    const char *triggered = header(h, "Triggered-At");
    int64_t time = 0;

    if ((!created || h->services->parse_time(created, &time) != 0 || time <= 0) &&
        (!triggered || h->services->parse_time(triggered, &time) != 0 || time <= 0))
        return now;
    return time < now ? time : now;
}

/* ---- What kind it is ---------------------------------------------------------------------- */

/* Where it happened, according to the body: a user agent means a shopper's browser. */
static const char *source_of(const struct hook *h)
{
    static const char *const clerks[] = {"shopify_draft_order", "iphone", "android", NULL};
    const char *by = either(value(h, "source_name"), "");
    size_t i = 0;

    if (strcmp(by, "pos") == 0)
        return "physical_store";
    if (strncmp(by, "subscription_contract", strlen("subscription_contract")) == 0)
        return "system_generated";
    while (clerks[i] && strcmp(clerks[i], by) != 0)
        i++;
    return !clerks[i] && value(h, "client_details.user_agent") ? website : "other";
}

static int is_test(const struct hook *h)
{
    const char *said = header(h, "Test");
    return h->services->json_boolean(h->json, "test") || (said && strcmp(said, "true") == 0);
}

/* Why it is not sent; NULL = it is. */
static const char *useless(const struct hook *h, const char *test_code)
{
    int test = is_test(h);
    int cancelled = h->services->json_kind(h->json, "cancelled_at") > RENEWD_JSON_NULL;

    if (test && cancelled)
        return "it is a cancelled test order, such as Shopify's test notification, and not a purchase";
    if (cancelled)
        return "the order is already cancelled, so it is not a purchase";
    return test && !test_code
               ? "it is a test order; set test_order_code in settings to send test orders as test events"
               : NULL;
}

/* ---- The event ---------------------------------------------------------------------------- */

/* It is listed under another name than the event that counts, so that neither is taken for the other. */
static int32_t drop(const char *why, int test, const struct topic *t, struct renewd_take_event_out *out)
{
    if (!META_GIVEN(out, renewd_take_event_out, dropped))
        return RENEWD_EVENT_IGNORE;
    out->dropped = why;
    out->name = test ? t->test : t->event;
    out->event = "{}";
    out->event_length = 2;
    return RENEWD_EVENT_TAKE;
}

static int32_t make(struct hook *h, const struct topic *t, int64_t now, struct renewd_take_event_out *out)
{
    const struct renewd_services *s = h->services;
    const char *code = either(h->meta->order_test_code, h->meta->test_code);
    struct meta_beside beside = {is_test(h) ? code : h->meta->test_code, NULL};
    const char *why = useless(h, code);
    size_t length;

    out->event_id = event_id(h, t);
    if (!out->event_id)
        return refuse(h, "its body has neither id nor token");
    out->name = t->event;
    out->same = same_keys(h, t);
    out->event_time = when(h, now);
    h->source = source_of(h);
    out->last_at = out->event_time + (strcmp(h->source, "physical_store") == 0 ? META_STORE_LIFE : META_LIFE);
    if (why)
        return drop(why, is_test(h), t, out);
    h->writer = s->json_write(h->call);
    s->write_text(h->writer, "event_name", t->event);
    s->write_text(h->writer, "action_source", h->source);
    write_page(h, t);
    write_user_data(h, out->event_id);
    write_custom_data(h, t);
    const char *text = s->written(h->writer, &length);
    return meta_give_event(h->meta, h->call, &beside, text, length, out);
}

int32_t shopify_take(const struct meta *m, const struct renewd_take_event_in *in, struct renewd_take_event_out *out)
{
    struct hook h = {.meta = m, .services = m->graph.services, .call = in->call, .message = in->message};

    if (!is_genuine(&h, in->secrets))
        return forged(&h);
    const char *topic = header(&h, "Topic");
    if (!topic)
        return refuse(&h, "it has no X-Shopify-Topic");
    for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++) {
        if (strcmp(topics[i].name, topic) != 0)
            continue;
        h.json = h.services->json_parse(in->call, in->message->body, in->message->length);
        if (h.services->json_kind(h.json, "") != RENEWD_JSON_OBJECT)
            return refuse(&h, "its body is not a JSON object");
        return make(&h, &topics[i], in->now, out);
    }
    return RENEWD_EVENT_IGNORE;
}
