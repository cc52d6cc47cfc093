#!/bin/bash
# SPDX-License-Identifier: MIT
# The door of webhooks: over TCP without a client's secret, for jobs with secrets alone; forged and oversized ones are
# turned away, wrong secrets later and later; what cannot be kept is left to its sender.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/graph.sh"
. "$(dirname "$0")/events.sh"

export SHOP_NEW=hush-shop-new SHOP_OLD=hush-shop-old APP_SECRET=app-secret-0123456789
PORT=$(free_port)
URL=http://127.0.0.1:$PORT/webhooks/shopify
start_simulator

prepare() { # STORE [MORE OF THE JOB]
    events_stage "$1" "webhooks = { secrets = [ \"env:SHOP_NEW\", \"env:SHOP_OLD\" ]; }; ${2:-}" \
        "api = { socket = \"$SOCKET\"; listen = \"127.0.0.1:$PORT\";
        clients = ( { name = \"app\"; secret = \"env:APP_SECRET\"; jobs = [ \"meta\" ]; allow = [ \"events\" ]; } ); };"
    app one
    start_ready || exit 1
}

# hook SECRET DELIVERY BODY [CURL OPTION...]: signs it and hands it in; prints the status. AT: another address.
hook() {
    local key=$1 delivery=$2
    printf '%s' "$3" > "$DIR/hook"
    shift 3
    {
        printf 'X-Shopify-Topic: %s\nX-Shopify-Webhook-Id: %s\n' "${TOPIC:-orders/create}" "$delivery"
        printf 'X-Shopify-Hmac-Sha256: %s\n' "$(openssl dgst -sha256 -mac HMAC -macopt "key:$key" -binary "$DIR/hook" | base64 -w 0)"
    } > "$DIR/hook-headers"
    curl -sS -o "$DIR/answer" -D "$DIR/headers" -w '%{http_code}' --max-time 60 -H "@$DIR/hook-headers" \
        --data-binary "@$DIR/hook" "$@" "${AT:-$URL/meta/one}"
}

door() { # STORE
    local s="$1"
    prepare "$1"
    check_equal "$s: no secret of a client is asked for" 200 "$(hook $SHOP_NEW d-1 '{"id":1}')"
    check_equal "$s: the secret of before is good, too" 200 "$(hook $SHOP_OLD d-2 '{"id":2}')"
    check_equal "$s: of any content type" 200 "$(hook $SHOP_NEW d-3 '{"id":3}' -H 'Content-Type: text/plain')"
    check_equal "$s: a client's own does not matter" 200 "$(hook $SHOP_NEW d-4 '{"id":4}' -H 'Authorization: Bearer nonsense')"
    check_equal "$s: another topic is dropped" 200 "$(TOPIC=orders/paid hook $SHOP_NEW d-5 '{"id":5}')"
    check "$s: four are sent" come sent=4
    stop_renewd KILL
    start_ready || exit 1
    check_equal "$s: one that is delivered again after a kill" 200 "$(hook $SHOP_NEW d-1 '{"id":1}')"
    check_equal "$s: is no other" sent=4 "$(states)"
    check_equal "$s: the provider has each once" '4 0' "$(received | wc -l) $(repeats)"
    stop_renewd
}

turned_away() {
    local s="turned away"
    prepare sqlite
    check_equal "$s: forged" 401 "$(hook hush-shop-wrong d-1 '{"id":1}')"
    check_equal "$s: without a signature" 401 "$(curl -sS -o "$DIR/answer" -w '%{http_code}' --data-binary '{"id":1}' "$URL/meta/one")"
    check_equal "$s: an unknown job" 404 "$(AT=$URL/other/one hook $SHOP_NEW d-2 '{"id":2}')"
    check_equal "$s: an unknown record" 404 "$(AT=$URL/meta/nobody hook $SHOP_NEW d-3 '{"id":3}')"
    check_equal "$s: a word that means nothing to the plugin" 404 "$(AT=http://127.0.0.1:$PORT/webhooks/nobody/meta/one hook $SHOP_NEW d-4 '{"id":4}')"
    check_equal "$s: read" 405 "$(curl -sS -o "$DIR/answer" -w '%{http_code}' "$URL/meta/one")"
    head -c 9000000 /dev/zero | tr '\0' x > "$DIR/large"
    check_equal "$s: nine megabytes" 413 "$(curl -sS -o "$DIR/answer" -w '%{http_code}' --data-binary "@$DIR/large" "$URL/meta/one")"
    check_equal "$s: the rest of the door stays shut" 401 "$(curl -sS -o "$DIR/answer" -w '%{http_code}' "http://127.0.0.1:$PORT/v1/jobs")"
    check_equal "$s: a dot segment leads nowhere" 401 \
        "$(curl -sS --path-as-is -o "$DIR/answer" -w '%{http_code}' "http://127.0.0.1:$PORT/webhooks/../v1/jobs")"
    check_equal "$s: an escaped slash is a part of the record's key, and no way past it" 404 "$(AT=$URL/meta/one%2f..%2ftwo hook $SHOP_NEW d-5 '{"id":5}' --path-as-is)"
    check_equal "$s: nothing was kept" '' "$(states)"
    check_match "$s: the log has a word of it" 'a webhook with a wrong signature was refused' "$(cat "$DIR/renewd.all")"
    sed -i '/^webhooks/d' "$DIR/conf.d/meta.conf"
    ctl reload > "$DIR/reload.out" 2>&1
    check "$s: without secrets there are no webhooks" wait_until 20 gone
    stop_renewd
}

gone() { [ "$(hook $SHOP_NEW d-9 '{"id":9}')" = 404 ]; }

full() {
    local s="full"
    prepare sqlite 'events = { depth = 2; };'
    ctl pause meta > /dev/null
    hook $SHOP_NEW d-1 '{"id":1}' > /dev/null
    hook $SHOP_NEW d-2 '{"id":2}' > /dev/null
    check_equal "$s: no room" 429 "$(hook $SHOP_NEW d-3 '{"id":3}')"
    check_match "$s: with a time to come back" '^Retry-After: [0-9]+' "$(cat "$DIR/headers")"
    check_equal "$s: one that is here already" 200 "$(hook $SHOP_NEW d-1 '{"id":1}')"
    stop_renewd
}

for store in ${STORES:-sqlite postgresql}; do
    door "$store"
done
turned_away
full
no_tokens_in_logs
finish
