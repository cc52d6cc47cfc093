#!/bin/bash
# SPDX-License-Identifier: MIT
# Every wrong reply a provider can give: the outcome is in the history, the row's tokens are untouched byte for
# byte, the record beside it is refreshed in the same run, nothing grows without bounds, nothing leaks.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/bad.sh"

# All cases of one provider run at once: one record a case, in one table, then one --once.
# case NAME OUTCOME-REGEX MISBEHAVIOUR-JSON-MEMBERS
google_cases() {
    cat <<'EOF'
empty transient|200 "mode":"empty"
html transient|200 "mode":"html"
html502 transient|502 "mode":"html","status":502
status503 transient|503 "mode":"status","status":503
huge ambiguous "mode":"huge"
bomb ambiguous "mode":"bomb"
cut ambiguous "mode":"cut","bytes":20
reset ambiguous "mode":"drop_before","how":"rst","count":-1
hangup ambiguous "mode":"drop_before","count":-1
lost ambiguous "mode":"drop_after","count":-1
slow ambiguous "mode":"delay","ms":6000,"count":-1
garbage transient|200 "mode":"garbage"
array transient|200 "mode":"json","body":"[1,2,3]"
string transient|200 "mode":"json","body":"\"ya29.none\""
number transient|200 "mode":"json","body":"42"
null transient|200 "mode":"json","body":"null"
deep transient|200 "mode":"json","body":"DEEP"
token_number transient|200 "mode":"member","name":"access_token","value":"12345"
token_null transient|200 "mode":"member","name":"access_token"
token_real_null transient|200 "mode":"member","name":"access_token","value":"null"
token_empty transient|200 "mode":"member","name":"access_token","value":"\"\""
token_list transient|200 "mode":"member","name":"access_token","value":"[\"ya29.list\"]"
token_newline transient|200 "mode":"member","name":"access_token","value":"\"ya29.a\\r\\nX: y\""
token_nul transient|200 "mode":"member","name":"access_token","value":"\"ya29.a\\u0000b\""
token_utf8 transient|200 "mode":"bad_utf8","name":"access_token"
error_utf8 transient|400 "mode":"json","status":400,"body":"UTF8"
error_long transient|400 "mode":"json","status":400,"body":"LONG"
error_200 reconnect|200 "mode":"json","body":"{\"error\":\"invalid_grant\"}"
redirect misconfigured|302 "mode":"status","status":302,"headers":{"Location":"REDIRECT"}
redirect307 misconfigured|307 "mode":"status","status":307,"headers":{"Location":"REDIRECT"}
s401 transient|401 "mode":"json","status":401,"body":"{}"
s403 transient|403 "mode":"json","status":403,"body":"{}"
s404 transient|404 "mode":"status","status":404
EOF
}

# Those that end well: the member is wrong, the token is real.
good_cases() {
    cat <<'EOF'
life_missing ok|200 "mode":"member","name":"expires_in"
life_null ok|200 "mode":"member","name":"expires_in","value":"null"
life_zero ok|200 "mode":"member","name":"expires_in","value":"0"
life_negative ok|200 "mode":"member","name":"expires_in","value":"-5"
life_string ok|200 "mode":"member","name":"expires_in","value":"\"3600\""
life_words ok|200 "mode":"member","name":"expires_in","value":"\"soon\""
life_float ok|200 "mode":"member","name":"expires_in","value":"3599.7"
life_huge ok|200 "mode":"member","name":"expires_in","value":"1e18"
life_digits ok|200 "mode":"member","name":"expires_in","value":"9223372036854775808"
life_list ok|200 "mode":"member","name":"expires_in","value":"[3600]"
scope_utf8 ok|200 "mode":"bad_utf8"
scope_half ok|200 "mode":"member","name":"scope","value":"\"a\\udfff\""
with_bom ok|200 "mode":"bom"
refresh_empty ok|200 "mode":"member","name":"refresh_token","value":"\"\""
refresh_number ok|200 "mode":"member","name":"refresh_token","value":"7"
EOF
}

# Bodies that are awkward to write down: JSON texts for the simulator.
deep_body() { printf '%0.s[' {1..5000}; }
long_body() { printf '{\\"error\\":\\"weird\\",\\"error_description\\":\\"ya29.leak \\u0001\\u001b[31m'; head -c 100000 /dev/zero | tr '\0' 'x'; printf '\\"}'; }
utf8_body() { printf '{\\"error\\":\\"caf\xe9\xff\\",\\"error_description\\":\\"\xc0\xaf ya29.leak\\"}'; }

queue() { # PROVIDER PREFIX < CASES
    local name outcome members
    while read -r name outcome members; do
        members=${members/DEEP/$(deep_body)}
        members=${members/LONG/$(long_body)}
        members=${members/UTF8/$(utf8_body)}
        members=${members/REDIRECT/$SIM_URL/google/token}
        printf '{"provider":"%s","account":"%s%s",%s}' "$1" "$2" "$name" "$members" > "$DIR/body"
        curl -sS --fail-with-body -H 'Content-Type: application/json' --data-binary @"$DIR/body" \
            "$SIM_URL/_sim/misbehave" > "$DIR/answer" || { not_ok "queue $name" "$(cat "$DIR/answer")"; }
    done
}

accounts() { # PROVIDER TABLE PREFIX < CASES
    local name rest time
    while read -r name rest; do
        sim 'accounts?format=tsv' "{\"provider\":\"$1\",\"account\":\"$3$name\",\"age\":10800}"
    done > "$DIR/case.tsv"
    awk -F '\t' -v table="$2" -v store="$STORE" '{
        time = store == "sqlite" ? $4 : "to_timestamp(" $4 ")"
        printf "insert into \"%s\" (account, access_token, refresh_token, expires_at) ", table
        printf "values (\047%s\047, \047%s\047, \047%s\047, %s);\n", $1, $2, $3, time }' "$DIR/case.tsv" > "$DIR/case.sql"
    sql_file "$DIR/case.sql"
}

history() { # TABLE ACCOUNT: outcome|status of the latest attempt
    sql "select a.outcome, a.http_status from $(own attempts) a join \"$1\" t on cast(t.id as text) = a.rkey
        where a.source like '%$1%' and t.account = '$2' order by a.started_at desc limit 1"
}

tokens_of() { # TABLE ACCOUNT
    sql "select access_token, refresh_token from \"$1\" where account = '$2'"
}

check_case() { # WHAT TABLE ACCOUNT OUTCOME
    local seen
    seen=$(history "$2" "$3")
    case $seen in
        "$4" | "$4|"*) ok "$1: $4" ;;
        *) not_ok "$1" "expected: $4
seen: $seen $(sql "select code, text from $(own attempts) where rkey = (select cast(id as text) from \"$2\" where account = '$3')")" ;;
    esac
}

google() {
    local s=$1 name outcome members before
    stage "$s"
    healthy
    make_accounts_table tokens
    google_job google tokens 'http = { timeout = "2s"; }; in_flight = 8;'
    google_cases > "$DIR/cases"
    accounts google tokens a- < "$DIR/cases"
    queue google a- < "$DIR/cases"
    token_rows tokens > "$DIR/before"
    bounded_once
    check_equal "$s: --once exits 1" 1 $?
    token_rows tokens > "$DIR/after"
    check "$s: no token of any failed row was touched" diff "$DIR/before" "$DIR/after"
    while read -r name outcome members; do
        check_case "$s: google: $name" tokens "a-$name" "$outcome"
    done < "$DIR/cases"
    check_healthy "$s: 33 wrong replies beside it"
    check_equal "$s: redirects were not followed" '1 1' \
        "$(echo $(sim_get 'accounts?provider=google&format=tsv' | awk -F '\t' '/^a-redirect/ { print $5 }'))"
    check_equal "$s: what was said is stored cut and clean" 0 \
        "$(sql "select count(*) from $(own attempts) where length(coalesce(text, '')) > 500 or length(coalesce(code, '')) > 100
            or text like '%' || $(char 27) || '%' or text like '%ya29%'")"
    check_equal "$s: last_error in the row is bounded as well" 0 \
        "$(sql "select count(*) from tokens where length(last_error) > 700
            or (last_error is null and account not like 'a-redirect%')")" # a suspect's row stays as it is
    google_good "$s"
}

char() {
    if [ "$STORE" = sqlite ]; then echo "char($1)"; else echo "chr($1)"; fi
}

# Memory is bounded by what the loader and the libraries need: far less than a 100 MiB bomb.
# ASan needs terabytes of addresses.
bounded_once() (
    grep -qa __asan_init "$RENEWD" || ulimit -v 700000
    run_renewd --once
)

google_good() {
    local s=$1 name outcome members
    make_accounts_table goods
    google_job goods goods
    good_cases > "$DIR/cases"
    accounts google goods g- < "$DIR/cases"
    queue google g- < "$DIR/cases"
    check "$s: wrong lifetimes: --once refreshes them all" run_renewd --once goods
    check "$s: wrong lifetimes: truth and table agree" compare_truth google goods g-
    while read -r name outcome members; do
        check_case "$s: google: $name" goods "g-$name" "$outcome"
    done < "$DIR/cases"
    local soon="expires_at between strftime('%s', 'now') + 3000 and strftime('%s', 'now') + 3700"
    [ "$STORE" = sqlite ] || soon="expires_at between now() + interval '3000 s' and now() + interval '3700 s'"
    check_equal "$s: every expiry is a sane one, about an hour ahead" 15 "$(sql "select count(*) from goods where $soon")"
    sim mark '{}' > /dev/null
    check "$s: nothing of it is due again" run_renewd --once goods
    check_equal "$s: and nothing is asked" 0 "$(sim_count google requests)"
}

# --- waiting as told --------------------------------------------------------------------------------

rate_limits() {
    local s=$1 name value low high
    stage "$s"
    healthy
    while read -r name value low high; do
        make_accounts_table "$name"
        load_accounts google "$name" 1 "$name-"
        google_job "$name" "$name"
        value=${value/HTTPDATE/$(date -u -d '+120 seconds' '+%a, %d %b %Y %H:%M:%S GMT')}
        sim misbehave "{\"mode\":\"retry_after\",\"account\":\"$name--1\",\"retry_after\":\"${value//_/ }\"}" > /dev/null
        sim misbehave "{\"mode\":\"retry_after\",\"status\":503,\"account\":\"$name--1\",\"retry_after\":\"1e9\"}" > /dev/null
    done < <(rate_cases)
    run_renewd --once
    check_equal "$s: 429: --once exits 1" 1 $?
    while read -r name value low high; do
        check_equal "$s: Retry-After $name: rate_limited, $low to $high s ahead" "rate_limited|1" \
            "$(sql "select a.outcome, r.not_before - a.finished_at between $low and $high
                from $(own attempts) a join $(own records) r on r.job = a.job where a.job = '$name'" | sed 's/|t$/|1/; s/|f$/|0/')"
    done < <(rate_cases)
    check_healthy "$s: 429 beside it"
    sim mark '{}' > /dev/null
    run_renewd --once
    check_equal "$s: the wait is respected by the next --once" 0 "$(sim_count google requests)"
}

rate_cases() {
    cat <<'EOF'
seconds 90 60 130
http_date HTTPDATE 80 180
nonsense later_please 30 3600
absurd 1000000000 1800 3700
negative -5 30 3600
zero 0 30 3600
EOF
}

# --- who is to blame --------------------------------------------------------------------------------

verdicts() {
    local s=$1 id
    stage "$s"
    healthy
    make_accounts_table tokens
    load_accounts google tokens 3 v-
    google_job google tokens
    sim clients '{"provider":"google","client_id":"client-1","client_secret":"another"}' > /dev/null
    run_renewd --once
    check_equal "$s: a wrong client secret condemns nobody" "misconfigured|5" \
        "$(sql "select outcome, count(*) from $(own attempts) group by outcome")"
    check_equal "$s: nobody is asked to reconnect" 0 "$(sql "select count(*) from $(own records) where state = 4")"
    check_match "$s: the remedy is named" 'check client_id and client_secret' "$(logs)"
    sim clients '{"provider":"google","client_id":"client-1","client_secret":"hush-secret"}' > /dev/null
    sim mark '{}' > /dev/null
    start_renewd
    check "$s: after a restart with the client put right all are refreshed" wait_until 20 compare_truth google tokens v-
    stop_renewd
    check "$s: the healthy job as well" compare_truth google healthy well-
}

# A dead grant is not presented again, until its row changes or a person says so.
dead_grants() {
    local s=$1 id
    stage "$s"
    healthy
    make_accounts_table tokens
    load_accounts google tokens 3 v-
    google_job google tokens
    sim revoke '{"provider":"google","account":"v--1"}' > /dev/null
    sim revoke '{"provider":"google","account":"v--2"}' > /dev/null
    run_renewd --once
    check_equal "$s: revoked grants: --once exits 1" 1 $?
    check_equal "$s: revoked grants: reconnect" "reconnect|reconnect" \
        "$(history tokens v--1 | cut -d '|' -f 1)|$(history tokens v--2 | cut -d '|' -f 1)"
    check_match "$s: with a remedy in the log" 'must be reconnected by its owner' "$(logs)"
    check_equal "$s: the third of the job is refreshed" 'ok' "$(history tokens v--3 | cut -d '|' -f 1)"
    check_healthy "$s: revoked grants beside it"
    sim mark '{}' > /dev/null
    run_renewd --once
    check_equal "$s: the next --once presents nothing" 0 "$(sim_count google requests)"
    # The application connects account 1 anew.
    sim accounts '{"provider":"google","account":"v--1-new","age":10800}' > /dev/null
    sql "update tokens set refresh_token = '$(sim_account google v--1-new refresh_token)' where account = 'v--1'"
    check "$s: a changed row clears reconnect" run_renewd --once
    check_equal "$s: and is refreshed" "1" "$(sim_count google ok)"
    id=$(sql "select id from tokens where account = 'v--2'")
    start_renewd
    wait_until 20 curl -sSf --max-time 5 --unix-socket "$SOCKET" http://localhost/readyz
    ctl refresh google "$id" > "$DIR/refresh.out" 2>&1
    check_equal "$s: renewctl refresh of the dead one exits 1" 1 $?
    check_match "$s: and says reconnect" 'reconnect' "$(cat "$DIR/refresh.out")"
    check_equal "$s: having presented it once" 2 "$(sim_count google presented)"
    stop_renewd
}

# --- a provider that rotates: what is unreadable may have spent the token ---------------------------

strict_cases() {
    cat <<'EOF'
empty ambiguous|200 "mode":"empty"
html ambiguous|200 "mode":"html"
html502 ambiguous|502 "mode":"html","status":502
huge ambiguous "mode":"huge"
bomb ambiguous "mode":"bomb"
cut ambiguous "mode":"cut","bytes":20
reset ambiguous "mode":"drop_before","how":"rst"
lost ambiguous "mode":"drop_after"
html504 ambiguous|504 "mode":"html","status":504
html503 ambiguous|503 "mode":"html","status":503
json503 transient|503 "mode":"json","status":503,"body":"{\"error\":\"temporarily_unavailable\"}"
told503 transient|503 "mode":"status","status":503,"headers":{"Retry-After":"120"}
s500 transient|500 "mode":"html","status":500
slow ambiguous "mode":"delay","ms":6000
garbage ambiguous|200 "mode":"garbage"
array ambiguous|200 "mode":"json","body":"[]"
token_number ambiguous|200 "mode":"member","name":"access_token","value":"12345"
s403 transient|403 "mode":"json","status":403,"body":"{}"
token_utf8 ambiguous|200 "mode":"bad_utf8","name":"access_token"
access_half ambiguous|200 "mode":"member","name":"access_token","value":"\"forged-\\ud800\""
refresh_half ambiguous|200 "mode":"member","name":"refresh_token","value":"\"forged-\\ud800\""
refresh_nul ambiguous|200 "mode":"member","name":"refresh_token","value":"\"forged-\\u0000x\""
refresh_utf8 ambiguous|200 "mode":"bad_utf8","name":"refresh_token"
refresh_line ambiguous|200 "mode":"member","name":"refresh_token","value":"\"forged\\r\\nX: y\""
EOF
}

strict() {
    local s=$1 name outcome members
    stage "$s"
    healthy
    make_accounts_table tokens
    make_accounts_table well
    load_accounts strict well 2 fine-
    sim misbehave '{"mode":"bad_utf8","provider":"strict","account":"fine--1"}' > /dev/null
    strict_job strict tokens 'http = { timeout = "2s"; }; in_flight = 8;'
    strict_job well well
    strict_cases > "$DIR/cases"
    accounts strict tokens s- < "$DIR/cases"
    queue strict s- < "$DIR/cases"
    token_rows tokens > "$DIR/before"
    bounded_once
    token_rows tokens > "$DIR/after"
    check "$s: strict: no token of any failed row was touched" diff "$DIR/before" "$DIR/after"
    while read -r name outcome members; do
        check_case "$s: strict: $name" tokens "s-$name" "$outcome"
    done < "$DIR/cases"
    for name in access_half:access_token refresh_half:refresh_token refresh_nul:refresh_token refresh_utf8:refresh_token; do
        check_match "$s: strict: which member is no text is said: ${name%:*}" "in its answer ${name#*:} is not text" \
            "$(sql "select last_error from tokens where account = 's-${name%:*}'")"
    done
    for name in refresh_half access_half refresh_line token_utf8 garbage cut; do
        check_equal "$s: strict: what came is kept sealed: $name" "1" "$(sql "select count(*) from $(own kept) k
            join tokens t on k.rkey = cast(t.id as text) where k.kind = 'answer' and k.sealed like 'r1.test.%'
            and t.account = 's-$name' and t.last_error like '%is parked, sealed, for 30 days%'")"
    done
    check_equal "$s: strict: nothing is kept where nothing came" 0 "$(sql "select count(*) from $(own kept) k
        join tokens t on k.rkey = cast(t.id as text) where t.account in ('s-lost', 's-slow', 's-empty', 's-s403')")"
    check "$s: strict: a job beside it is refreshed" compare_truth strict well fine-
    check_healthy "$s: strict beside it"
    run_renewd --once
    check_equal "$s: strict: no credential was presented twice" 0 "$(sim_count strict reuse)"
    check_equal "$s: strict: nor is it at the next --once" '' "$(sim_get 'accounts?provider=strict&format=tsv' |
        awk -F '\t' '/^s-/ && $5 > 1 { print $1 }' | grep -Ev '403')"
}

start_simulator
for store in sqlite postgresql; do
    google $store
    rate_limits $store
    verdicts $store
    dead_grants $store
    strict $store
done
no_tokens_in_logs
finish
