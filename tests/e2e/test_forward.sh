#!/bin/bash
# SPDX-License-Identifier: MIT
# Calls of a provider's API through renewd, on both stores: a dead token is replaced once for 500 callers, on one
# host and on two; nothing leaves the allowed prefix; what goes along and what comes back; refusals that stay,
# slowing, callers that hang up, providers that are away, slow or too talkative.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"
. "$(dirname "$0")/forward.sh"
. "$(dirname "$0")/lightspeed.sh"

SECOND_PID=''
trap 'ended_with=$?; stop_process "$SECOND_PID"; (exit $ended_with); cleanup' EXIT
start_simulator

passes() { # STORE
    local s="$1, passing" id
    forward_stage "$1"
    forward_job tokens tokens
    start_ready || exit 1
    id=$(id_of acct-1)
    check_equal "$s: a call" 200 "$(call "$id/forward/me/%7Euser/a%20b?x=1&y=%20z" -A mine -H 'X-App: 7' -H 'Cookie: a=b' \
        -H 'Authorization: Basic eA==' -H 'X-Forwarded-For: 10.0.0.1' -H 'Forwarded: for=10.0.0.1' -H 'Proxy-Foo: 1' \
        -H 'Connection: X-Once' -H 'X-Once: 1' -H 'TE: trailers' -H 'Accept-Encoding: br')"
    check_equal "$s: its path is appended to the prefix, in one form" '/v1/me/~user/a%20b' "$(seen path)"
    check_equal "$s: its query as it is" 'x=1&y=%20z' "$(seen query)"
    check_match "$s: the token is put in its place, and not shown" '^Bearer \*+$' "$(seen headers.Authorization)"
    check_equal "$s: the caller's own headers go along" '7 mine' "$(seen headers.X-App) $(seen headers.User-Agent)"
    check_equal "$s: the provider's name is the host" "$HOST" "$(seen headers.Host)"
    check_no_match "$s: nothing else goes along" 'Cookie|X-Forwarded|Forwarded|Proxy|X-Once|"TE"|br"|Basic' "$(cat "$DIR/answer")"
    check_equal "$s: the answer's headers come back" 'yes twice' "$(header X-Echo | xargs)"
    check_equal "$s: but those that end here" '' "$(header Set-Cookie)$(header X-Hop)$(header Renewd-Error)"
    check_equal "$s: a body" 200 "$(call "$id/forward/me" -X PUT -H 'Content-Type: text/plain' --data-binary $'a\nb')"
    check_equal "$s: of any type" $'PUT text/plain a\nb' "$(seen method) $(seen headers.Content-Type) $(seen body)"
    check_equal "$s: HEAD" 200 "$(call "$id/forward/me" -I)"
    check_equal "$s: the prefix itself" 200 "$(call "$id/forward")"
    check_equal "$s: TRACE is none: 405" 405 "$(call "$id/forward/me" -X TRACE)"
    check_equal "$s: an unknown record: 404" '404 unknown_record' "$(call 4711/forward/me) $(header Renewd-Error)"
    check_equal "$s: an unknown job: 404" '404 unknown_job' "$(JOB=none call "$id/forward/me") $(header Renewd-Error)"
    sim accounts '{"provider":"strict","account":"short","access_token":"abc","refresh_token":"short-refresh"}' > /dev/null
    sql "update tokens set access_token = 'abc' where id = $(id_of acct-9)"
    check "$s: a token of three letters" wait_until 10 arrives_as "$(id_of acct-9)" 'Bearer abc'
    check_equal "$s: nothing was refreshed" 0 "$(sim_count strict presented)"
    sql "update tokens set expires_at = $(soon 30) where id = $id"
    check "$s: a token that ends soon is refreshed first" wait_until 10 calls_with_a_fresh_one "$id"
    dead_tokens "$s"
    escapes "$s" "$id"
    stop_renewd
}

arrives_as() { # ID AUTHORIZATION
    [ "$(call "$1/forward/me")" = 200 ] && [ "$(seen headers.Authorization)" = "$2" ]
}

# What the application changed is seen within a second.
calls_with_a_fresh_one() { # ID
    [ "$(call "$1/forward/me")" = 200 ] && [ "$(sim_count strict presented)" = 1 ]
}

soon() { # SECONDS, as the table keeps times
    if [ "$STORE" = sqlite ]; then echo $(($(date +%s) + $1)); else echo "now() + interval '$1 seconds'"; fi
}

dead_tokens() { # NAME
    local s=$1 id
    id=$(id_of acct-2)
    kill_token acct-2
    sim mark '{}' > /dev/null
    check_equal "$s: a dead token" 200 "$(call "$id/forward/me" -d once)"
    check_equal "$s: was replaced by one refresh" 1 "$(sim_count strict presented)"
    check_equal "$s: and the call made once more" '2 once' "$(arrived) $(seen body)"
    check_equal "$s: the new one is stored" live "$(sim_token "$(sql "select access_token from tokens where id = $id")" state)"
    id=$(id_of acct-3)
    kill_token acct-3
    sim revoke '{"provider":"strict","account":"acct-3"}' > /dev/null
    check_equal "$s: a dead grant is a person's matter" '409 reconnect' "$(call "$id/forward/me") $(header Renewd-Error)"
    check_equal "$s: which the refresh said, not the call" 'invalid_grant reconnect' \
        "$(sql "select last_code from $(own records) where rkey = '$id'") $(seen state)"
    id=$(id_of acct-4)
    sim mark '{}' > /dev/null
    sim misbehave '{"mode":"json","provider":"echo","path":"*","status":401,"body":"{\"no\":1}","count":-1}' > /dev/null
    check_equal "$s: a second refusal is passed on" "401 1" "$(call "$id/forward/me") $(seen no)"
    check_equal "$s: it is the provider's" '' "$(header Renewd-Error)"
    check_equal "$s: after one refresh and one repeat" '1 2' "$(sim_count strict presented) $(arrived)"
    check_equal "$s: the next call" 401 "$(call "$id/forward/me")"
    check_equal "$s: makes no other refresh" '1 3' "$(sim_count strict presented) $(arrived)"
    sim misbehave '{"clear":true}' > /dev/null
    check_equal "$s: the record is none the worse" ok "$(state tokens acct-4)"
    closed_path "$s" "$(id_of acct-5)"
}

# A path that is closed to the account answers 401 whatever the token.
closed_path() { # NAME ID
    local s=$1 id=$2 i all=''
    sim mark '{}' > /dev/null
    sim misbehave '{"mode":"json","provider":"echo","path":"/v1/closed","status":401,"body":"{}","count":-1}' > /dev/null
    for i in 1 2 3 4; do
        all="$all $(call "$id/forward/closed") $(call "$id/forward/me")"
    done
    check_equal "$s: one path alone is closed" ' 401 200 401 200 401 200 401 200' "$all"
    check_equal "$s: it costs one refresh, though other calls go well between" 1 "$(sim_count strict presented)"
    sim misbehave '{"clear":true}' > /dev/null
}

escapes() { # NAME ID
    local s=$1 id=$2 path
    sim mark '{}' > /dev/null
    for path in ../x %2e%2e/x .%2E/x a/../../x a/. ..\;/x a%2fb a%2Fb a%5cb 'a\b' a%00b %252e%252e/x a%252fb %25%32%65 %zz a% \
        %ff %c0%ae%c0%ae/x https://127.0.0.1/x //127.0.0.1/x a//b %0d%0aX:1 a%7f; do
        check_equal "$s: $path is refused" 400 "$(call "$id/forward/$path")"
    done
    for path in oauth/access_token OAuth/Token oauth/token/ debug_token v9/debug_token oauth2/v3/tokeninfo oauth/revoke \
        auth/oauth/introspect refresh_access_token token.json; do
        check_equal "$s: $path is a token's own endpoint" '403 token_endpoint' "$(call "$id/forward/$path") $(header Renewd-Error)"
    done
    check_equal "$s: another record's id behind this one's" 400 "$(call "$id/../$(id_of acct-1)/forward/me")"
    check_equal "$s: escaped in it, it is a part of a key that is nobody's" '404 unknown_record' \
        "$(call "$id%2f..%2f1/forward/me") $(header Renewd-Error)"
    check_equal "$s: none of it reached the provider" 0 "$(arrived)"
    check_equal "$s: a query that is none" 400 "$(call "$id/forward/me?a=%gg" --request-target "/v1/jobs/tokens/records/$id/forward/me?%gg=1")"
    check_equal "$s: a user in the path is a name in it" "200 /v1/u:p@127.0.0.1/x" "$(call "$id/forward/u:p@127.0.0.1/x") $(seen path)"
}

places() { # STORE
    local s="$1, places" name JOB
    forward_stage "$1"
    for name in query form header; do
        make_accounts_table $name
        load_accounts strict $name 1 "$name" '"age":60'
    done
    forward_job tokens tokens "allow = [ \"$SIM_URL/echo/v1\", \"$SIM_URL/strict/api/\" ];"
    forward_job query query "allow = [ \"$SIM_URL/echo\" ]; put = \"query\"; name = \"access_token\";"
    forward_job form form "allow = [ \"$SIM_URL/echo\" ]; put = \"form\"; name = \"access_token\";"
    forward_job header header "allow = [ \"$SIM_URL/echo\" ]; put = \"header\"; name = \"X-Access-Token\";"
    sed -i 's,strict/token",echo/hidden?client=1",' "$DIR/conf.d/header.conf"
    start_ready || exit 1
    local id
    id=$(id_of acct-1)
    JOB=tokens
    check_equal "$s: several prefixes: the path names the host" '200 /v1/a' "$(call "$id/forward/$HOST/echo/v1/a") $(seen path)"
    check_equal "$s: or is the one at the host" '200 /v1/a' "$(call "$id/forward/echo/v1/a") $(seen path)"
    check_equal "$s: the other one" 200 "$(call "$id/forward/$HOST/strict/api/me")"
    for name in "$HOST/echo/v2/a" "$HOST/echo/v1x" "127.0.0.1:1/echo/v1/a" a ''; do
        check_equal "$s: ${name:-nothing} lies in none: 403" '403 not_allowed' "$(call "$id/forward/$name") $(header Renewd-Error)"
    done
    JOB=query id=1
    check_equal "$s: in the query" 200 "$(call "$id/forward/a?access_token=mine&b=1&access%5Ftoken=mine")"
    check_match "$s: the caller's own is left out" '^b=1&access_token=\*+$' "$(seen query)"
    JOB=form
    check_equal "$s: in a form" 200 "$(call "$id/forward/a" -d 'b=1&access_token=mine')"
    check_match "$s: the caller's own is left out" '^b=1&access_token=\*+$' "$(seen body)"
    check_equal "$s: an empty one" 200 "$(call "$id/forward/a" -X POST)"
    check_equal "$s: JSON is none: 415" '415 not_a_form' "$(call "$id/forward/a" -H 'Content-Type: application/json' -d '{}') $(header Renewd-Error)"
    check_equal "$s: GET has none: 415" 415 "$(call "$id/forward/a")"
    JOB=header
    check_equal "$s: in a header" 200 "$(call "$id/forward/a" -H 'X-Access-Token: mine')"
    check_match "$s: the caller's own is left out" '^\*+$' "$(seen headers.X-Access-Token)"
    check_equal "$s: no other place is used" '' "$(seen headers.Authorization)$(seen query)"
    check_equal "$s: where the job refreshes, whatever the query" '403 token_endpoint 403 token_endpoint' \
        "$(call "$id/forward/hidden") $(header Renewd-Error) $(call "$id/forward/hidden?x=1") $(header Renewd-Error)"
    sql "update header set access_token = 'hush-slash/of+1234567' where id = 1"
    sim misbehave '{"mode":"json","provider":"echo","path":"*","status":200,"body":"{\"next\":\"hush-slash\\/of+1234567\"}","count":-1}' > /dev/null
    check "$s: the token as JSON may hold it" wait_until 10 answers_with_stars
    sim misbehave '{"clear":true}' > /dev/null
    stop_renewd
}

# The row's new token is known within a second.
answers_with_stars() { call "$id/forward/a" > /dev/null && grep -Fqx '{"next":"**********************"}' "$DIR/answer"; }

slowing() { # STORE
    local s="$1, slowing" id
    forward_stage "$1"
    forward_job tokens tokens 'allow = [ "'"$SIM_URL"'/echo" ];' 'http = { timeout = "2s"; };'
    start_ready || exit 1
    id=$(id_of acct-1)
    sim misbehave '{"mode":"retry_after","provider":"echo","path":"*","retry_after":"2"}' > /dev/null
    check_equal "$s: the provider's 429 is passed on" "429 2 " "$(call "$id/forward/a") $(header Retry-After) $(header Renewd-Error)"
    check_equal "$s: the next call waits a little" 200 "$(call "$id/forward/a")"
    sim misbehave '{"mode":"retry_after","provider":"echo","path":"*","retry_after":"60"}' > /dev/null
    check_equal "$s: a longer one" 429 "$(call "$id/forward/a")"
    sim mark '{}' > /dev/null
    check_equal "$s: is not waited for" '429 slowed' "$(call "$id/forward/a") $(header Renewd-Error)"
    check_match "$s: the answer says when" '^[0-9]+$' "$(header Retry-After)"
    check_equal "$s: the provider is not asked" 0 "$(arrived)"
    check_equal "$s: another record is" 200 "$(call "$(id_of acct-2)/forward/a")"
    away "$s" "$(id_of acct-3)"
    hang_up "$s"
    stop_renewd
}

away() { # NAME ID
    local s=$1 id=$2
    sim mark '{}' > /dev/null
    sim misbehave '{"mode":"drop_after","provider":"echo","path":"*"}' > /dev/null
    check_equal "$s: no answer: 502" '502 no_answer' "$(call "$id/forward/a" -d x) $(header Renewd-Error)"
    check_match "$s: in a sentence" "http://$HOST" "$(seen error.message)"
    check_equal "$s: it was sent once" 1 "$(arrived)"
    sim misbehave '{"mode":"delay","provider":"echo","path":"*","ms":8000}' > /dev/null
    check_equal "$s: too slow: 504" '504 timeout' "$(call "$id/forward/a") $(header Renewd-Error)"
    sim misbehave '{"mode":"huge","provider":"echo","path":"*","size":3000000}' > /dev/null
    check_equal "$s: too large: 502" '502 reply_too_large' "$(call "$id/forward/a") $(header Renewd-Error)"
    sim misbehave '{"mode":"cut","provider":"echo","path":"*","bytes":20}' > /dev/null
    check_equal "$s: cut short: 502" '502 reply_cut' "$(call "$id/forward/a") $(header Renewd-Error)"
    head -c 1100000 /dev/zero > "$DIR/large"
    check_equal "$s: a body that is too large: 413" 413 "$(call "$id/forward/a" --data-binary "@$DIR/large")"
    check_equal "$s: one that is not" 200 "$(head -c 400000 /dev/zero | tr '\0' a | call "$id/forward/a" -H 'Expect:' --data-binary @-)"
    check_equal "$s: arrives whole" 400000 "$(seen body | tr -d '\n' | wc -c)"
}

generation_is() { [ "$(sql "select generation from $(own records) where rkey = '$1'")" = "$2" ]; }

hang_up() { # NAME
    local s=$1 id
    id=$(id_of acct-4)
    kill_token acct-4
    sim mark '{}' > /dev/null
    sim misbehave '{"mode":"delay","provider":"strict","ms":700,"when":"before"}' > /dev/null
    check_fails "$s: a caller hangs up" call "$id/forward/a" --max-time 0.2
    check "$s: the refresh is stored all the same" wait_until 20 generation_is "$id" 1
    check_equal "$s: renewd goes on" 200 "$(call "$id/forward/a")"
    sim misbehave '{"mode":"delay","provider":"echo","path":"*","ms":700,"when":"before"}' > /dev/null
    sim mark '{}' > /dev/null
    call "$id/forward/a" > "$DIR/last" &
    local caller=$!
    check "$s: a call is under way" wait_until 20 test_arrived
    stop_renewd
    wait $caller
    check_equal "$s: which is answered before renewd ends" 200 "$(cat "$DIR/last")"
}

test_arrived() { [ "$(arrived)" = 1 ]; }

# crowd SOCKET NAME COUNT PATH: so many calls at once, each with a path of its own; statuses in $DIR/NAME.statuses
crowd() {
    local i
    for ((i = 1; i <= $3; i++)); do
        printf 'url = "http://localhost/v1/jobs/%s/records/%s/forward/%s?n=%s%d"\noutput = "%s"\n' "$JOB" "$id" "$4" "$2" "$i" \
            "$DIR/$2.answer"
    done > "$DIR/$2-urls"
    curl -sS -Z --parallel-max "$3" --max-time 120 --unix-socket "$1" -w '%{http_code}\n' -K "$DIR/$2-urls" \
        > "$DIR/$2.statuses" 2> "$DIR/$2-errors"
}

many() { # STORE
    local s="$1, 500 callers" id JOB=tokens
    forward_stage "$1"
    forward_job tokens tokens
    start_ready || exit 1
    id=$(id_of acct-1)
    kill_token acct-1
    sim misbehave '{"mode":"delay","provider":"strict","ms":300,"when":"before","count":-1}' > /dev/null
    crowd "$SOCKET" crowd1 250 me &
    local first=$!
    crowd "$SOCKET" crowd2 250 me
    wait $first
    check_equal "$s: of a dead token all get through" '500 200' "$(cat "$DIR"/crowd?.statuses | sort | uniq -c | xargs)"
    check_equal "$s: one refresh" 1 "$(sim_count strict presented)"
    check "$s: each call was made at most twice" test "$(arrived)" -le 1000
    check_equal "$s: what lives is in the row" live "$(sim_token "$(sql "select access_token from tokens where id = $id")" state)"
    stop_renewd
}

two_hosts() { # STORE
    local s="$1, two hosts" id JOB=lightspeed
    begin "$1" '"0 0 1 1 *"'
    shops 1 shop '"age":60,"bucket":2000'
    sed -i "s,https://api.lightspeedapp.com,$SIM_URL/lightspeed," "$DIR/conf.d/lightspeed.conf"
    rm -rf "$DIR/state2"
    mkdir -p "$DIR/state2"
    chmod 700 "$DIR/state2"
    sed -e 's/state_dir = "state"/state_dir = "state2"/' -e "s,$SOCKET,$DIR/second.sock," "$CONF" > "$DIR/second.conf"
    start_ready || exit 1
    "$RENEWD" -c "$DIR/second.conf" >> "$DIR/renewd.all" 2>&1 &
    SECOND_PID=$!
    check "$s: the second starts" wait_until 30 curl -sSf --unix-socket "$DIR/second.sock" http://localhost/readyz
    id=$(sql "select id from $TABLE")
    sim kill "{\"token\":\"$(opened | cut -f 2)\"}" > /dev/null
    sim misbehave '{"mode":"delay","provider":"lightspeed","ms":300,"when":"before","count":-1}' > /dev/null
    crowd "$SOCKET" crowd1 250 Account.json &
    local first=$!
    crowd "$DIR/second.sock" crowd2 250 Account.json
    wait $first
    check_equal "$s: of a dead token all get through" '500 200' "$(cat "$DIR"/crowd?.statuses | sort | uniq -c | xargs)"
    check_equal "$s: one refresh" '1 0' "$(sim_count lightspeed ok) $(sim_count lightspeed reuse)"
    check "$s: each call was made at most twice" test "$(sim_count lightspeed requests)" -le 1001
    check "$s: what lives at the provider is in the row" truth shop
    sim misbehave '{"mode":"json","provider":"lightspeed","path":"*","status":200,
        "headers":{"X-LS-API-Bucket-Level":"120.5/90","X-LS-API-Drip-Rate":"1","X-LS-API-Request-Cost":"1"}}' > /dev/null
    check_equal "$s: a bucket that runs over" 200 "$(call "$id/forward/Account.json")"
    check_equal "$s: holds the next call" '429 slowed' "$(call "$id/forward/Account.json") $(header Renewd-Error)"
    stop_process "$SECOND_PID"
    SECOND_PID=''
    stop_renewd
}

for store in sqlite postgresql; do
    passes $store
    places $store
    slowing $store
    many $store
    two_hosts $store
done
no_tokens_in_logs
finish
