#!/bin/bash
# SPDX-License-Identifier: MIT
# The applications' door under bad use: TLS and what is no TLS, requests too large, malformed, of the wrong type,
# sent byte by byte, more connections than there are places, secrets that are tried, and a stop while somebody
# waits. Whatever one door suffers, the operator's stays open.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"

export APP_SECRET=app-secret-0123456789 FEW_SECRET=few-secret-0123456789
start_simulator
PORT=$(free_port)
BASE=http://127.0.0.1:$PORT

prepare() { # [TLS]
    stage sqlite
    sed -i '/^api = /d' "$CONF"
    cat >> "$CONF" <<CONF
api = { socket = "$SOCKET"; listen = "127.0.0.1:$PORT"; ${1:-}
        clients = ( { name = "app"; secret = "env:APP_SECRET"; jobs = [ "*" ]; allow = [ "token", "read", "operate", "forward", "events" ]; },
                    { name = "few"; secret = "env:FEW_SECRET"; jobs = [ "other" ]; allow = [ "read" ]; } ); };
CONF
    make_accounts_table tokens
    sql 'alter table tokens add column user_name text'
    load_accounts strict tokens 4 acct
    sql "update tokens set user_name = case when id < 4 then 'maria' else 'joao' end"
    strict_job tokens tokens
    sed -i -e 's/^schedule.*/schedule = "0 0 1 1 *";/' -e 's/^records = {/& owner = "user_name";/' "$DIR/conf.d/tokens.conf"
}

ask() { # METHOD PATH [CURL OPTION...]: prints the status
    local method=$1 path=$2
    shift 2
    curl -sS -o "$DIR/answer" -D "$DIR/headers" -w '%{http_code}' --max-time 60 -X "$method" \
        -H "Authorization: Bearer ${KEY:-$APP_SECRET}" "$@" "$BASE$path"
}

code() { json '$.error.code' < "$DIR/answer"; }
message() { json '$.error.message' < "$DIR/answer"; }

is() { # NAME STATUS CODE SEEN
    check_equal "$1" "$2 $3" "$4 $(code)"
}

JSON='Content-Type: application/json'

bad_input() {
    local s="bad input" path=/v1/jobs/tokens/refresh
    is "$s: unknown job" 404 unknown_job "$(ask GET /v1/jobs/nothing/records)"
    is "$s: unknown record" 404 unknown_record "$(ask GET /v1/jobs/tokens/records/4711)"
    is "$s: unknown path" 404 unknown_route "$(ask GET /v2)"
    is "$s: wrong method" 405 wrong_method "$(ask DELETE $path)"
    check_match "$s: with Allow" '^Allow: POST' "$(cat "$DIR/headers")"
    is "$s: no JSON" 400 bad_json "$(ask POST $path -H "$JSON" -d '{"owner":')"
    check_match "$s: and where" 'at offset 9' "$(message)"
    is "$s: a list" 400 bad_json "$(ask POST $path -H "$JSON" -d '[]')"
    is "$s: wrong type" 400 wrong_type "$(ask POST $path -H "$JSON" -d '{"owner":7}')"
    check_match "$s: and of what" '"owner"' "$(message)"
    is "$s: unknown member" 400 unknown_member "$(ask POST $path -H "$JSON" -d '{"user":"maria"}')"
    check_match "$s: by name" '"user"' "$(message)"
    is "$s: a form" 415 unsupported_media_type "$(ask POST $path -d 'owner=maria')"
    is "$s: lines where a document is wanted" 415 unsupported_media_type \
        "$(ask POST $path -H 'Content-Type: application/x-ndjson' -d '{}')"
    head -c 2000000 /dev/zero | tr '\0' ' ' > "$DIR/large"
    is "$s: too large" 413 too_large "$(ask POST $path -H "$JSON" --data-binary "@$DIR/large")"
    check_equal "$s: headers too large" 431 "$(ask GET /v1/jobs -H "X: $(head -c 20000 /dev/zero | tr '\0' x)")"
    is "$s: an encoded slash in a job's name" 400 bad_path "$(ask GET /v1/jobs/a%2Fb/records)"
    is "$s: in a record's it is the key's" 404 unknown_record "$(ask GET /v1/jobs/tokens/records/a%2Fb)"
    is "$s: dots" 400 bad_path "$(ask GET /v1/jobs/%2E%2E/records --path-as-is)"
    is "$s: an unknown parameter" 400 unknown_parameter "$(ask GET '/v1/jobs?x=1')"
    is "$s: a client's other job" 403 forbidden "$(KEY=$FEW_SECRET ask GET /v1/jobs/tokens/records)"
}

# The routes as the program has them: method, path, whether its body is NONE, JSON, LINES, ANY or EVENTS.
routes() {
    sed -n 's/^    {"\([A-Z*]*\)", "\(\/[^"]*\)", [a-z_]*, \("[a-z_ ]*"\|NULL\), BODY_\([A-Z]*\),.*/\1 \2 \4/p' "$TOP/core/api/routes.c"
}

# Every route, whatever it does: what does not fit is told in the same words, and nothing is done.
every_route() {
    local method path body target id count=0
    while read -r method path body; do
        count=$((count + 1))
        target=${path//\{job\}/tokens} target=${target//\{id\}/1}
        local s="$method $path" verb=${method/\*/POST}
        if [[ $path = *{job}* ]]; then
            is "$s: unknown job" 404 unknown_job "$(ask "$verb" "${path//\{job\}/nothing}" --globoff)"
            for id in a%2Fb %2e%2E . %00 x%00y %ff %zz %; do
                is "$s: $id for a job" 400 bad_path "$(ask "$verb" "${path/\{job\}/$id}" --path-as-is --globoff)"
            done
        fi
        if [[ $path = *{id}* ]]; then
            # A record's key may hold anything, percent-encoded: test_keys.sh.
            for id in .. %2e. 1%00 %c0%af %zz $([[ $path = */records/* ]] || echo a%2Fb ..%2f1 %2e%2E); do
                is "$s: $id for a record" 400 bad_path \
                    "$(ask "$verb" "$(sed "s,{job},tokens,; s,{id},$id," <<< "$path")" --path-as-is)"
            done
        fi
        [ "$method" != '*' ] || continue
        is "$s: another method" 405 wrong_method "$(ask PATCH "$target")"
        check_match "$s: with Allow" "^Allow: ([A-Z]+, )*$method" "$(cat "$DIR/headers")"
        is "$s: an unknown parameter" 400 unknown_parameter "$(ask "$method" "$target?nonsense=1")"
        is "$s: a body of another type" 415 unsupported_media_type "$(ask "$method" "$target" -H 'Content-Type: text/plain' -d x)"
        is "$s: a body too large" 413 too_large "$(ask "$method" "$target" -H "$JSON" --data-binary "@$DIR/large")"
        if [[ "$method $path" = 'GET /v1/jobs/'*{id}* ]]; then
            is "$s: unknown record" 404 unknown_record "$(ask GET "$(sed 's,{job},tokens,; s,{id},4711,' <<< "$path")")"
        fi
        # Lines and events have bodies of their own kind, and tests of their own.
        [[ $body != LINES && $path != */{id}/events ]] || continue
        is "$s: no JSON" 400 bad_json "$(ask "$method" "$target" -H "$JSON" -d '{"a":')"
        check_match "$s: and where" 'offset 5' "$(message)"
        is "$s: an unknown member" 400 unknown_member "$(ask "$method" "$target" -H "$JSON" -d '{"nonsense":1}')"
        check_match "$s: by name" 'nonsense' "$(message)"
    done < <(routes)
    check "every route was tried" test "$count" -ge 24
    check_equal "every route: nobody was asked for it" 0 "$(sim_count strict requests)"
}

by_owner() {
    local s="by owner"
    check_equal "$s: one user's tokens" 200 "$(ask POST /v1/jobs/tokens/refresh -H "$JSON" -d '{"owner":"maria"}')"
    check_equal "$s: are counted" "3 0" "$(json '$.refreshed' < "$DIR/answer") $(json '$.failed' < "$DIR/answer")"
    check_equal "$s: and nobody else's" 3 "$(sim_count strict presented)"
    check_equal "$s: a user without any" "200 0 0" "$(ask POST /v1/jobs/tokens/refresh -H "$JSON" -d '{"owner":"nobody"}') $(
        json '$.refreshed' < "$DIR/answer") $(json '$.failed' < "$DIR/answer")"
}

kept_connection() {
    curl -sv -o /dev/null -o /dev/null "$BASE/healthz" "$BASE/healthz" 2> "$DIR/kept"
    check_equal "a connection is kept for more requests" "1 2" \
        "$(grep -c 'Connected to' "$DIR/kept") $(grep -c 'HTTP/1.1 200' "$DIR/kept")"
}

guess() {
    curl -s -o /dev/null -w '%{http_code}\n' -H "Authorization: Bearer guess-$1" "$BASE/v1/jobs"
}

tried_secrets() {
    local s="tried secrets" i begun
    begun=$(date +%s%N)
    for i in 1 2 3 4 5 6 7 8 9 10; do guess "$i"; done | sort | uniq -c > "$DIR/guesses"
    check_match "$s: all are refused" '10 401' "$(cat "$DIR/guesses")"
    check "$s: later and later" test $((($(date +%s%N) - begun) / 1000000)) -gt 1400
    begun=$(date +%s%N)
    check_equal "$s: the right one is not kept waiting" 200 "$(ask GET /v1/jobs)"
    check "$s: at all" in_time "$begun" 900
    for i in $(seq 120); do printf 'url = "%s/v1/jobs"\noutput = "%s"\n' "$BASE" "$DIR/guess.$i"; done > "$DIR/urls"
    curl -s -Z --parallel-immediate --parallel-max 120 -w '%{http_code}\n' -H 'Authorization: Bearer guess' -K "$DIR/urls" > "$DIR/guesses" 2> /dev/null
    check_match "$s: more at a time are sent away" '^429$' "$(cat "$DIR/guesses")"
    check_no_match "$s: none gets in" '^200$' "$(cat "$DIR/guesses")"
}

# A request that comes byte by byte, and never whole: how many seconds until it is cut off.
dawdle() {
    local begun=$SECONDS
    timeout 50 bash -c "exec 3<> /dev/tcp/127.0.0.1/$PORT
        printf 'POST /v1/jobs/tokens/refresh HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n' >&3
        while printf ' ' >&3; do
            read -r -t 0.5 -u 3
            [ \$? -gt 128 ] || exit 0
        done" 2> /dev/null
    echo $((SECONDS - begun)) > "$DIR/dawdled"
}

# talk FD: one request of a client over a connection that is open; prints the status.
talk() {
    local status word line length=0
    printf 'GET /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nAuthorization: Bearer %s\r\n\r\n' "$PORT" "$APP_SECRET" >&"$1"
    read -r -t 15 -u "$1" word status line || return
    while read -r -t 15 -u "$1" line && [ "$line" != $'\r' ]; do
        [[ ${line,,} != content-length:* ]] || length=${line//[^0-9]/}
    done
    [ "$length" = 0 ] || head -c "$length" <&"$1" > /dev/null
    echo "$status"
}

crowd() {
    local s="a crowd" i kept
    prlimit --pid $$ --nofile=2048:2048 2> /dev/null
    local descriptors=()
    exec {kept}<> "/dev/tcp/127.0.0.1/$PORT"
    check_equal "$s: a client's connection" 200 "$(talk "$kept")"
    for ((i = 0; i < 600; i++)); do
        exec {fd}<> "/dev/tcp/127.0.0.1/$PORT" || break
        descriptors+=("$fd")
    done
    check_equal "$s: 600 connections that say nothing" 600 ${#descriptors[@]}
    check "$s: the operator's door answers" ctl status
    check_equal "$s: a client who comes is served" 200 "$(ask GET /v1/jobs --max-time 15)"
    check_equal "$s: one who was here has its place" 200 "$(talk "$kept")"
    for fd in "${descriptors[@]}"; do exec {fd}>&-; done
    exec {kept}>&-
    check_equal "$s: when they are gone, so does this one" 200 "$(ask GET /v1/jobs)"
    coproc CROWD { "$BUILD/tests/e2e/crowd" "unix:$SOCKET" 600 head; }
    read -r -t 60 i <&"${CROWD[0]}"
    check_match "$s: at the operator's door, with heads that do not end" ready "$i"
    check "$s: it answers all the same" ctl status
    exec {CROWD[1]}>&-
    wait "$CROWD_PID" 2> /dev/null
}

waiting_at_stop() {
    local s="a stop" id
    id=$(sql "select id from tokens where account = 'acct-4'")
    sim misbehave '{"mode":"delay","provider":"strict","ms":1500,"when":"before","count":1}' > /dev/null
    ask GET "/v1/jobs/tokens/records/$id/token" > "$DIR/late" &
    local asker=$!
    check "$s: somebody waits for a token" wait_until 10 presented 4
    stop_renewd
    wait $asker
    check_equal "$s: who is answered before the end" 200 "$(cat "$DIR/late")"
    check_equal "$s: with the token of the row" "$(sql "select access_token from tokens where id = $id")" \
        "$(json '$.access_token' < "$DIR/answer")"
}

presented() { [ "$(strict_sum presented)" = "$1" ]; }

make_certificate() { # NAME
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
        -addext 'subjectAltName = IP:127.0.0.1' -keyout "$DIR/$1.key" -out "$DIR/$1.crt" 2> /dev/null
}

# The files of certificate and key are replaced while renewd runs.
renewed() {
    local s="TLS, another certificate" fd
    cp "$DIR/one.crt" "$DIR/old.crt"
    cp "$DIR/one.key" "$DIR/old.key"
    cp "$DIR/two.crt" "$DIR/one.crt"
    check_fails "$s: without its key" ctl reload
    check_match "$s: is told" 'belong together' "$(ctl reload 2>&1)"
    check_equal "$s: and the one before goes on" 200 "$(ask GET /v1/jobs --cacert "$DIR/old.crt")"
    cp "$DIR/two.key" "$DIR/one.key"
    check "$s: a reload reads both" ctl reload
    check_equal "$s: it is used" 200 "$(ask GET /v1/jobs --cacert "$DIR/two.crt")"
    check_fails "$s: the one before is not" ask GET /v1/jobs --cacert "$DIR/old.crt"
    cp "$DIR/old.crt" "$DIR/one.crt"
    cp "$DIR/old.key" "$DIR/one.key"
    kill -HUP "$RENEWD_PID"
    check "$s: by a signal, too" wait_until 20 trusted "$DIR/old.crt"
}

trusted() { [ "$(ask GET /v1/jobs --cacert "$1")" = 200 ]; }

tls() {
    local s=TLS
    make_certificate one
    make_certificate two
    prepare "tls = { certificate = \"$DIR/one.crt\"; key = \"file:$DIR/one.key\"; };"
    start_ready || exit 1
    BASE=https://127.0.0.1:$PORT
    check_equal "$s: a call" 200 "$(ask GET /v1/jobs --cacert "$DIR/one.crt")"
    check_fails "$s: with another certificate's trust" ask GET /v1/jobs --cacert "$DIR/two.crt"
    BASE=http://127.0.0.1:$PORT
    check_fails "$s: without TLS" ask GET /healthz
    BASE=https://127.0.0.1:$PORT
    check_equal "$s: 401 and 403 as ever" "401 403" "$(KEY=no ask GET /v1/jobs --cacert "$DIR/one.crt") $(
        KEY=$FEW_SECRET ask GET /v1/jobs --cacert "$DIR/one.crt")"
    id=$(sql "select min(id) from tokens")
    check_equal "$s: a token" 200 "$(ask GET "/v1/jobs/tokens/records/$id/token" --cacert "$DIR/one.crt")"
    renewed
    check_equal "$s: a body larger than one record of TLS" 413 \
        "$(ask POST /v1/jobs/tokens/refresh --cacert "$DIR/one.crt" -H "$JSON" --data-binary "@$DIR/large")"
    stop_renewd
    sed -i "s,one.key,two.key," "$CONF"
    check_fails "$s: a key of another certificate" run_renewd
    check_match "$s: is told" 'belong together' "$(cat "$DIR/renewd.log")"
    sed -i "s,one.crt,none.crt," "$CONF"
    check_fails "$s: a certificate that is not there" run_renewd
    check_match "$s: is told" 'none.crt' "$(cat "$DIR/renewd.log")"
    sed -i -e '/^api = /s/127.0.0.1/0.0.0.0/' -e 's/ tls = {[^}]*};//' "$CONF"
    check_fails "$s: other machines without it" run_renewd --check
    check_match "$s: are told" "'tls' is required" "$(cat "$DIR/renewd.log")"
}

prepare
start_ready || exit 1
dawdle &
dawdler=$!
bad_input
every_route
by_owner
kept_connection
tried_secrets
wait $dawdler
check "who sends byte by byte is cut off" test "$(cat "$DIR/dawdled")" -lt 45
check "but not at once" test "$(cat "$DIR/dawdled")" -gt 10
check_equal "and the door is open" 200 "$(ask GET /v1/jobs)"
crowd
waiting_at_stop
tls
no_tokens_in_logs
check_no_match "no secret of a client in any log" 'app-secret|few-secret|guess-' "$(cat "$DIR/renewd.all")"
finish
