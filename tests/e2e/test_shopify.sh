#!/bin/bash
# SPDX-License-Identifier: MIT
# Shopify's webhooks become events of the Conversions API, on both stores, with the Meta job as shipped: signed
# by either secret or refused, each event once however often and under whatever id it is delivered, also
# across a kill; what Meta gets is mapped, hashed and exact; a record without a pixel keeps its events.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/graph.sh"

export SHOPIFY_SECRET=hush-shopify-secret SHOPIFY_OLDER=hush-shopify-older

stage() { # STORE
    graph_stage "$1"
    sql_file "$TOP/sql/$STORE/meta.sql"
    job meta.conf facebook -e 's/^rescan.*//' -e 's/^schedule.*/schedule = "0 0 1 1 *"; rescan = "1s";/'
    echo 'webhooks = { secrets = [ "env:SHOPIFY_SECRET", "env:SHOPIFY_OLDER" ]; };' >> "$DIR/conf.d/meta.conf"
    shop shop 111
    shop bare ''
    start_ready || not_ok "$s: renewd starts"
}

shop() { # NAME PIXEL: an app with a token for a long time
    local zone=
    [ "$STORE" = postgresql ] && zone=without
    account facebook "$1" '"age":60'
    sql "insert into \"App\" (\"id\", \"name\", \"userId\") values ('$1', 'app $1', 'user-1')"
    sql "insert into \"AppSettings\" (\"id\", \"appId\", \"metaPixelId\", \"metaAccessToken\", \"metaTokenExpiresAt\")
         values ('$1', '$1', nullif('$2', ''), $(text "$TOKEN"), $(time_sql "$EXPIRES" "$zone"))"
}

# deliver SHOP TOPIC DELIVERY BODY [KEY [PREFIX]]: one webhook; prints the status.
deliver() {
    printf '%s' "$4" > "$DIR/hook"
    deliver_file "$1" "$2" "$3" "${5:-$SHOPIFY_SECRET}" "${6-X-}"
}

# deliver_file SHOP TOPIC DELIVERY [KEY [PREFIX]]: what is in $DIR/hook.
deliver_file() {
    local key=${4:-$SHOPIFY_SECRET} prefix=${5-X-}
    {
        printf 'Content-Type: application/json\n'
        printf '%sShopify-Topic: %s\n%sShopify-Webhook-Id: %s\n' "$prefix" "$2" "$prefix" "$3"
        printf '%sShopify-Shop-Domain: a-shop.myshopify.com\n' "$prefix"
        printf '%sShopify-Hmac-Sha256: %s\n' "$prefix" \
            "$(openssl dgst -sha256 -mac HMAC -macopt "key:$key" -binary "$DIR/hook" | base64 -w 0)"
    } > "$DIR/hook-headers"
    curl -sS -o "$DIR/answer" -w '%{http_code}' --max-time 60 --unix-socket "$SOCKET" -H "@$DIR/hook-headers" \
        --data-binary "@$DIR/hook" "http://localhost/webhooks/shopify/meta/$1"
}

events() { sim_get "events?format=tsv${1:+&pixel=$1}"; }
event() { sim_get "events?event_id=$1" | json "\$.events[0].event${2:-}"; }
arrived() { events | cut -f 3 | grep -qx -- "$1"; }
states() { sql "select state, count(*) from $(own events) where rkey = '$1' group by state order by state"; }
hash_of() { printf %s "$1" | sha256sum | cut -c 1-64; }

# The example of Shopify's own pages.
ORDER='{"id":820982911946154508,"name":"#9999","currency":"USD","total_price":"403.00"}'
CART='{"id":"eeafa272cebfd4b22385bc4b645e762c","token":"eeafa272cebfd4b22385bc4b645e762c","line_items":[
      {"variant_id":704912205188288575,"quantity":3,"price":"9.99"}],"note":null}'

orders() {
    local now
    now=$(date -u +%Y-%m-%dT%H:%M:%S+00:00)
    check_equal "$s: an order is answered at once" 200 "$(deliver shop orders/create w-1 "$ORDER")"
    check "$s: and reaches the pixel" wait_until 30 arrived order-820982911946154508
    check_equal "$s: as a purchase of the shop's account" \
        $'111\tPurchase\torder-820982911946154508\t1\t0\tshop' "$(events)"
    check_match "$s: its total to the last digit" '"custom_data":\{"currency":"USD","value":403.00,"order_id":"9999"\}' \
        "$(event order-820982911946154508)"
    check_equal "$s: a checkout, by the newer headers and the older secret" 200 "$(deliver shop checkouts/create w-2 \
        '{"id":1,"token":"b1946ac9","email":" Jane.Doe@example.com","created_at":"'"$now"'",
          "customer":{"id":9007199254740993}}' "$SHOPIFY_OLDER" '')"
    check "$s: it arrives" wait_until 30 arrived checkout-b1946ac9
    check_equal "$s: its customer is hashed" \
        "InitiateCheckout $(hash_of jane.doe@example.com) $(hash_of 9007199254740993)" \
        "$(event checkout-b1946ac9 .event_name) $(event checkout-b1946ac9 '.user_data.em[0]') $(event \
            checkout-b1946ac9 '.user_data.external_id[0]')"
    check_equal "$s: it happened when it says" "$(date -d "$now" +%s)" "$(event checkout-b1946ac9 .event_time)"
    check_equal "$s: a cart" 200 "$(deliver shop carts/create w-3 "$CART")"
    check "$s: it arrives, whoever it is of" wait_until 30 arrived cart-eeafa272cebfd4b22385bc4b645e762c
    check_match "$s: with what is in it" '"contents":\[\{"id":"704912205188288575","quantity":3,"item_price":9.99\}\]' \
        "$(event cart-eeafa272cebfd4b22385bc4b645e762c)"
    check_equal "$s: other topics are taken and dropped" '200 3' \
        "$(deliver shop orders/paid w-4 "$ORDER") $(sql "select count(*) from $(own events)")"
}

forged() {
    check_equal "$s: another secret" 401 "$(deliver shop orders/create w-5 '{"id":5}' hush-shopify-wrong)"
    deliver shop orders/create w-5 '{"id":5}' > /dev/null
    printf '{"id":6}' > "$DIR/hook"
    check_equal "$s: another body under its signature" 401 "$(curl -sS -o /dev/null -w '%{http_code}' --max-time 60 \
        --unix-socket "$SOCKET" -H "@$DIR/hook-headers" --data-binary "@$DIR/hook" \
        http://localhost/webhooks/shopify/meta/shop)"
    check_equal "$s: a body that is no order" 400 "$(deliver shop orders/create w-6 '[1]')"
    check_equal "$s: a record that is not there" 404 "$(deliver nobody orders/create w-7 "$ORDER")"
    check "$s: the genuine one arrives" wait_until 30 arrived order-5
    check_no_match "$s: and no other" 'order-6' "$(events)"
}

again() {
    local before
    before=$(events | sort)
    check_equal "$s: the same delivery again" 200 "$(deliver shop orders/create w-1 "$ORDER")"
    check_equal "$s: the same order by another delivery" 200 "$(deliver shop orders/create w-8 "$ORDER")"
    stop_renewd KILL
    start_ready || not_ok "$s: renewd starts again"
    check_equal "$s: and after a kill" 200 "$(deliver shop orders/create w-8 "$ORDER")"
    check_equal "$s: a delivery that comes again with another body is that delivery" 200 \
        "$(deliver shop orders/create w-1 '{"id":8}')"
    check_equal "$s: a later one" 200 "$(deliver shop orders/create w-9 '{"id":9}')"
    check "$s: arrives" wait_until 30 arrived order-9
    check_equal "$s: nothing else came, and nothing came twice" "$before" "$(events | grep -v order-9 | sort)"
}

# Shopify's own test notification, and other orders that are no purchase on the shop's pages.
SAMPLE='{"id":820982911946154509,"admin_graphql_api_id":"gid://shopify/Order/820982911946154509","app_id":null,"browser_ip":null,
    "cancel_reason":"customer","cancelled_at":"2021-12-31T19:00:00-05:00","client_details":null,"confirmed":false,
    "created_at":"2021-12-31T19:00:00-05:00","currency":"USD","email":"jon@example.com","name":"#9999","source_name":"web",
    "test":true,"total_price":"388.00","line_items":[{"id":866550311766439020,"product_id":788032119674292922,"variant_id":null,
    "sku":"SKU2006-001","quantity":1,"price":"199.00"}]}'

other_orders() {
    check_equal "$s: Shopify's test notification is taken" 200 "$(deliver shop orders/create t-1 "$SAMPLE")"
    check_equal "$s: and the second press of the button" 200 "$(deliver shop orders/create t-2 "$SAMPLE")"
    check_equal "$s: a test order" 200 "$(deliver shop orders/create t-3 '{"id":31,"test":true}')"
    check_equal "$s: a cancelled one" 200 "$(deliver shop orders/create t-4 '{"id":32,"cancelled_at":"2026-11-20T00:00:00Z"}')"
    check_equal "$s: of a till" 200 "$(deliver shop orders/create t-5 '{"id":33,"source_name":"pos"}')"
    check_equal "$s: of a subscription that renews" 200 "$(deliver shop orders/create t-6 '{"id":34,"source_name":"subscription_contract"}')"
    check_equal "$s: of a browser" 200 "$(deliver shop orders/create t-7 \
        '{"id":35,"source_name":"web","client_details":{"user_agent":"Mozilla/5.0","browser_ip":"192.0.2.1"}}')"
    check "$s: the till's arrives" wait_until 30 arrived order-33
    check "$s: the subscription's arrives" wait_until 30 arrived order-34
    check "$s: the browser's arrives" wait_until 30 arrived order-35
    check_equal "$s: each says where it happened" 'physical_store system_generated website' \
        "$(event order-33 .action_source) $(event order-34 .action_source) $(event order-35 .action_source)"
    check_no_match "$s: tests and cancelled ones do not arrive" 'order-(31|32|820982911946154509)' "$(events)"
    ctl events meta > "$DIR/list"
    check_equal "$s: they are listed, with the reason" 3 "$(grep -c ' dropped ' "$DIR/list")"
    check_match "$s: the notification as a test" 'order-820982911946154509 +Purchase \(test\) .*dropped .*test notification' \
        "$(cat "$DIR/list")"
    check_match "$s: and the log says so" 'an event was accepted and is not sent.*record=shop account=[^ ]+ .*order-31.*a test order' "$(cat "$DIR/renewd.all")"
    check_equal "$s: nothing of a person is kept of them" 0 "$(sql "select count(*) from $(own events) where state = 6 and text is not null")"
    check_match "$s: the job counts them" '"dropped":3' "$(ctl --json jobs)"
    check_equal "$s: the body of an order under another topic" 200 "$(deliver shop carts/create t-8 '{"id":33,"source_name":"pos"}')"
    check_equal "$s: is no other event" 0 "$(sql "select count(*) from $(own events) where event_id = 'cart-33'")"
}

# An order of 500 lines is over 1 MiB.
large_order() {
    awk 'BEGIN { printf "{\"id\":40,\"currency\":\"USD\",\"total_price\":\"1.00\",\"line_items\":["
        for (i = 0; i < 500; i++) {
            printf "%s{\"variant_id\":%d,\"quantity\":1,\"price\":\"1.00\",\"properties\":[", (i ? "," : ""), 1000 + i
            for (k = 0; k < 26; k++) printf "%s{\"name\":\"_property_%d\",\"value\":\"%s\"}", (k ? "," : ""), k, \
                "a text that the shop keeps with the line, in two currencies"
            printf "]}" }
        printf "]}" }' > "$DIR/hook"
    check "$s: the order is over 1 MiB" test "$(stat -c %s "$DIR/hook")" -gt 1200000
    check_equal "$s: it is taken" 200 "$(deliver_file shop orders/create large)"
    check "$s: and arrives" wait_until 30 arrived order-40
    head -c 9000000 /dev/zero | tr '\0' ' ' > "$DIR/hook"
    check_equal "$s: 9 MB are too much" 413 "$(deliver_file shop orders/create larger)"
    check_match "$s: which the log says, with whose it was" 'a webhook was refused unread.*shopify/meta/shop.*over 8 MiB' "$(cat "$DIR/renewd.all")"
    check_match "$s: a forged one is said with its shop" 'wrong signature.*record=shop.*a-shop.myshopify.com: its signature fits none' "$(cat "$DIR/renewd.all")"
    check_match "$s: and what is no order" 'a webhook was refused.*record=shop account=[^ ]+ reason.*a-shop.myshopify.com is not sent as an event' "$(cat "$DIR/renewd.all")"
}

without_pixel() {
    check_equal "$s: an order of a shop without a pixel is kept" 200 "$(deliver bare orders/create w-10 '{"id":10}')"
    check "$s: it is held" wait_until 30 is_held bare
    check_match "$s: and says why" 'no_pixel.*no pixel id' "$(sql "select code, why from $(own events) where rkey = 'bare'")"
    sql "update \"AppSettings\" set \"metaPixelId\" = '222' where \"id\" = 'bare'"
    check "$s: with a pixel it follows" wait_until 60 arrived order-10
    check_equal "$s: to that pixel" $'222\tPurchase\torder-10\t1\t0\tbare' "$(events 222)"
}
is_held() { [ "$(states "$1" | tr -d '|')" = 21 ]; }

for store in sqlite postgresql; do
    s=$store
    start_simulator
    stage "$store"
    orders
    forged
    again
    other_orders
    large_order
    without_pixel
    check_equal "$s: no token was refreshed for it" 0 "$(sim_account facebook shop refresh_ok)"
    check_no_match "$s: no person is named in the log" 'Jane|jane' "$(cat "$DIR/renewd.all")"
    stop_renewd
    stop_simulator
done
no_tokens_in_logs
finish
