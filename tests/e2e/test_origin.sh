#!/bin/bash
# SPDX-License-Identifier: MIT
# What a page of another origin can have a browser send: it gets no token, neither by a name of its own that points here
# (DNS rebinding) nor by a request that needs no preflight. What callers of the functions know goes on.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"

export APP_SECRET=app-secret-0123456789
start_simulator
PORT=$(free_port)
stage sqlite 'public_url = "https://renew.example.net";'
sed -i '/^api = /d' "$CONF"
cat >> "$CONF" <<CONF
api = { socket = "$SOCKET"; listen = "127.0.0.1:$PORT"; hosts = [ "app.example.net" ];
        clients = ( { name = "app"; secret = "env:APP_SECRET"; jobs = [ "*" ]; allow = [ "functions", "token", "read" ]; } ); };
CONF
make_accounts_table tokens
load_accounts strict tokens 1 acct '"age":60'
strict_job tokens tokens 'functions = [ "refresh-token", "refresh-lightspeed-tokens" ]; allow_anonymous = true;'
sed -i 's/^schedule.*/schedule = "0 0 1 1 *";/' "$DIR/conf.d/tokens.conf"
start_ready || exit 1
id=$(sql 'select id from tokens')
DATA="{\"platform\":\"oauth2\",\"creator_unique_identifier\":\"$id\"}"

# call [CURL OPTION...]: what a page's request brings; "STATUS token" when the answer holds one.
call() {
    local status
    status=$(curl -sS -o "$DIR/answer" -D "$DIR/headers" -w '%{http_code}' --max-time 30 -d "$DATA" "$@" \
        "${URL:-http://127.0.0.1:$PORT/functions/v1/refresh-token}")
    echo "$status$(grep -q 'strict\.at\.' "$DIR/answer" && echo ' token')"
}
cors() { sed -n 's/\r$//; s/^Access-Control-Allow-Origin: //p' "$DIR/headers"; }

PLAIN='Content-Type: text/plain'
check_equal "a server's call without a key" '200 token' "$(call)"
check_equal "is for no page" '' "$(cors)"
for host in evil.example "evil.example:$PORT" renew.example.net.evil.example localhost.evil.example 127.0.0.1.evil.example 192.0.2.7; do
    check_equal "under the name $host" 421 "$(call -H "Host: $host" -H "$PLAIN")"
    check_equal "$host, with a key" 421 "$(URL=http://127.0.0.1:$PORT/v1/jobs call -G -H "Host: $host" -H "Authorization: Bearer $APP_SECRET")"
done
check_match "the log names it, and the remedy" 'api.hosts or set public_url.*host=evil.example' "$(cat "$DIR/renewd.all")"
for host in localhost "localhost:$PORT" "127.0.0.1:$PORT" '[::1]:1234' renew.example.net RENEW.example.net. app.example.net:443; do
    check_equal "under the name $host" '200 token' "$(call -H "Host: $host")"
done
for origin in http://evil.example https://evil.example null http://192.0.2.7 "http://localhost.evil.example:$PORT"; do
    check_equal "from $origin" 403 "$(call -H "Origin: $origin" -H "$PLAIN")"
    check_equal "which may read nothing" '' "$(cors)"
    check_equal "from $origin, with a key" 403 "$(call -H "Origin: $origin" -H "Authorization: Bearer $APP_SECRET")"
done
check_equal "from another site, of whatever name" 403 "$(call -H 'Sec-Fetch-Site: cross-site' -H "$PLAIN")"
check_equal "from a page of ours" '200 token' "$(call -H 'Origin: https://app.example.net')"
check_equal "which may read it, and it alone" https://app.example.net "$(cors)"
URL=http://127.0.0.1:$PORT/v1/jobs/tokens/records/$id/token
check_equal "another route, from a foreign page" 403 "$(call -G -H 'Origin: https://evil.example' -H "Authorization: Bearer $APP_SECRET")"
check_equal "whether renewd lives, anybody may ask under any name" 200 \
    "$(curl -sS -o /dev/null -w '%{http_code}' -H 'Host: balancer.example' "http://127.0.0.1:$PORT/healthz")"
URL=''
check_equal "a preflight is answered as ever" 200 "$(call -X OPTIONS -H 'Origin: https://evil.example')"
check_equal "for any page: it holds nothing" '* ok' "$(cors) $(cat "$DIR/answer")"
URL=http://127.0.0.1:$PORT/functions/v1/refresh-lightspeed-tokens
check_equal "a function that answers no token, with a key" 200 "$(call -H 'Origin: https://evil.example' -H "Authorization: Bearer $APP_SECRET")"
check_equal "may be called by pages, as ever" '*' "$(cors)"
check_equal "and without a key by none of theirs" 403 "$(call -H 'Origin: https://evil.example' -H "$PLAIN")"
stop_renewd
no_tokens_in_logs
finish
