#!/bin/bash
# SPDX-License-Identifier: MIT
# The simulator is the oracle of the other tests: this one holds it against its own words.
SUITE=sim/simulator
. "$(dirname "$0")/../e2e/lib.sh"

# request PROVIDER REFRESH_TOKEN [CURL OPTION...]: a refresh; body in $DIR/body, headers in $DIR/head.
# Prints the HTTP status; curl's exit status is kept in $DIR/exit.
request() {
    local provider=$1 token=$2
    shift 2
    : > "$DIR/body"
    : > "$DIR/head"
    curl -sSk --max-time 30 -o "$DIR/body" -D "$DIR/head" -w '%{http_code}' -d grant_type=refresh_token \
        --data-urlencode "refresh_token=$token" -d client_id=app -d client_secret=s3cret "$@" \
        "$SIM_URL/$provider/token" 2> "$DIR/curl.err"
    echo $? > "$DIR/exit"
}
body() { json "\$.$1" < "$DIR/body"; }
curl_exit() { cat "$DIR/exit"; }
refresh_of() { sim_account "$1" "$2" refresh_token; }
misbehave() { sim misbehave "$1" > /dev/null || not_ok "misbehave $1 is accepted"; }
fresh() { sim reset > /dev/null; sim accounts "{\"provider\":\"$1\",\"count\":${2:-1}${3:+,$3}}" > /dev/null; }

test_google() {
    fresh google 2 '"client_id":"app"'
    local token
    token=$(refresh_of google acct-1)
    check_equal 'google: a refresh is answered 200' 200 "$(request google "$token")"
    check_match 'google: an access token' '^ya29\.' "$(body access_token)"
    check_equal 'google: expires_in' 3599 "$(body expires_in)"
    check_equal 'google: token_type' Bearer "$(body token_type)"
    check_equal 'google: no refresh_token, no life of one' '|' \
        "$(body refresh_token)|$(body refresh_token_expires_in)"
    check_equal 'google: the new access token is the live one' "$(body access_token)" \
        "$(sim_account google acct-1 access_token)"
    check_equal 'google: the refresh token stays' "$token" "$(refresh_of google acct-1)"
    request google "$token" > /dev/null
    check_equal 'google: repeats are safe and counted' '2|2|0' \
        "$(sim_account google acct-1 presented)|$(sim_account google acct-1 refresh_ok)|$(sim_account google acct-1 reuse)"
    check_equal 'google: the bare /token is the same' 200 "$(curl -s -o /dev/null -w '%{http_code}' \
        -d grant_type=refresh_token --data-urlencode "refresh_token=$token" -d client_id=app \
        -d client_secret=x "$SIM_URL/token")"
    check_equal 'google: the other account is untouched' 0 "$(sim_account google acct-2 presented)"
    test_google_resources "$(sim_account google acct-1 access_token)" "$token"
}

test_google_resources() {
    local code="curl -s -o $DIR/body -w %{http_code}"
    check_equal 'google: channels answers a live token' 200 \
        "$($code -H "Authorization: Bearer $1" "$SIM_URL/google/youtube/v3/channels")"
    check_equal 'google: channels refuses another' 401 \
        "$($code -H 'Authorization: Bearer x' "$SIM_URL/google/youtube/v3/channels")"
    check_equal 'google: its refusal' UNAUTHENTICATED "$(body error.status)"
    check_equal 'google: tokeninfo' '200 text app' \
        "$($code "$SIM_URL/google/tokeninfo?access_token=$1") $(sqlite3 :memory: \
        "select json_type(cast(readfile('$DIR/body') as text), '\$.expires_in')") $(body aud)"
    check_equal 'google: tokeninfo refuses another' '400 invalid_token' \
        "$($code "$SIM_URL/google/tokeninfo?access_token=x") $(body error)"
    check_equal 'google: revoke' 200 "$($code -d "token=$1" "$SIM_URL/google/revoke")"
    check_equal 'google: a second revoke' '400 invalid_token' \
        "$($code -d "token=$1" "$SIM_URL/google/revoke") $(body error)"
    check_equal 'google: the grant is dead' '400 invalid_grant Token has been expired or revoked.' \
        "$(request google "$2") $(body error) $(body error_description)"
}

test_google_errors() {
    fresh google 3
    local token code second third
    token=$(refresh_of google acct-1)
    second=$(refresh_of google acct-2)
    third=$(refresh_of google acct-3)
    sim clients '{"provider":"google","client_id":"app","client_secret":"s3cret"}' > /dev/null
    sim clients '{"provider":"google","client_id":"gone","client_secret":"x","deleted":true}' > /dev/null
    sim accounts '{"provider":"google","account":"other","client_id":"else"}' > /dev/null
    said() { echo "$1 $(body error)"; }
    code="curl -s -o $DIR/body -w %{http_code} $SIM_URL/google/token"
    check_equal 'google: unknown token' '400 invalid_grant' "$(said "$(request google 1//0gx)")"
    check_equal 'google: wrong secret' '401 invalid_client' "$(said "$($code -d client_id=app \
        -d client_secret=no -d grant_type=refresh_token --data-urlencode "refresh_token=$token")")"
    check_equal 'google: unknown client' '401 invalid_client' "$(said "$($code -d client_id=no \
        -d client_secret=no -d grant_type=refresh_token --data-urlencode "refresh_token=$token")")"
    check_equal 'google: deleted client' '401 deleted_client' "$(said "$($code -d client_id=gone \
        -d client_secret=x -d grant_type=refresh_token --data-urlencode "refresh_token=$token")")"
    check_equal "google: another client's token" '401 unauthorized_client' \
        "$(said "$(request google "$(refresh_of google other)")")"
    check_equal 'google: no refresh_token' '400 invalid_request' "$(said "$($code -d client_id=app \
        -d client_secret=s3cret -d grant_type=refresh_token)")"
    check_equal 'google: no grant_type' '400 invalid_request' "$(said "$($code -d client_id=app)")"
    check_equal 'google: other grant_type' '400 unsupported_grant_type' \
        "$(said "$($code -d client_id=app -d grant_type=password)")"
    check_equal 'google: a parameter twice' '400 invalid_request' \
        "$(said "$(request google "$token" -d client_id=app)")"
    check_equal 'google: not a form' '400 invalid_request' \
        "$(said "$(request google "$token" -H 'Content-Type: application/json')")"
    sim revoke '{"provider":"google","account":"acct-2","reason":"deleted"}' > /dev/null
    request google "$second" > /dev/null
    check_equal 'google: a deleted account' 'Account has been deleted' "$(body error_description)"
    sim revoke '{"provider":"google","account":"acct-3","reason":"rapt"}' > /dev/null
    request google "$third" > /dev/null
    check_equal 'google: invalid_rapt' 'invalid_grant invalid_rapt' "$(body error) $(body error_subtype)"
    check_equal 'google: none of it was processed' 0 "$(sim_count google ok)"
}

test_clock() {
    fresh google
    sim clock '{"now":1800000000}' > /dev/null
    sim accounts '{"provider":"google","account":"t","testing":true}' > /dev/null
    sim accounts '{"provider":"google","account":"u"}' > /dev/null
    local testing unused
    testing=$(refresh_of google t)
    unused=$(refresh_of google u)
    request google "$testing" > /dev/null
    check_equal 'clock: a Testing grant says so' 604799 "$(body refresh_token_expires_in)"
    local access
    access=$(body access_token)
    sim clock '{"advance":3598}' > /dev/null
    check_equal 'clock: live to its last second' live "$(sim_token "$access" state)"
    sim clock '{"advance":1}' > /dev/null
    check_equal 'clock: expired at its second' expired "$(sim_token "$access" state)"
    sim clock '{"now":1800604798}' > /dev/null
    check_equal 'clock: Testing lives for seven days' 200 "$(request google "$testing")"
    sim clock '{"advance":1}' > /dev/null
    check_equal 'clock: and no longer' '400 invalid_grant' "$(request google "$testing") $(body error)"
    check_equal 'clock: its reason' testing "$(sim_account google t reason)"
    sim clock '{"now":1815811200}' > /dev/null
    check_equal 'clock: unused for 183 days' 200 "$(request google "$unused")"
    sim clock '{"advance":15811201}' > /dev/null
    check_equal 'clock: unused for longer' 400 "$(request google "$unused")"
    check_equal 'clock: stopped' 1 "$(sim_get clock | json '$.frozen')"
    local now
    now=$(sim clock '{"real":true}' | json '$.now')
    check 'clock: real again' test $(($(date +%s) - now)) -le 600
    now=$(sim clock '{"advance":86400}' | json '$.now')
    check 'clock: runs ahead' test $((now - $(date +%s))) -ge 86390
}

test_strict() {
    fresh strict 2
    local first second access
    first=$(refresh_of strict acct-1)
    check_equal 'strict: a refresh is answered 200' 200 "$(request strict "$first")"
    second=$(body refresh_token) access=$(body access_token)
    check_match 'strict: no-store' '^Cache-Control: no-store' "$(cat "$DIR/head")"
    check_equal 'strict: expires_in' 3600 "$(body expires_in)"
    check_equal 'strict: the pair is rotated' "spent live live" \
        "$(sim_token "$first" state) $(sim_token "$second" state) $(sim_token "$access" state)"
    check_equal 'strict: what it was exchanged for' "$second" "$(sim_token "$first" next_refresh_token)"
    check_equal 'strict: the new one works' 200 "$(request strict "$second")"
    access=$(body access_token)
    check_equal 'strict: the API knows the access token' acct-1 \
        "$(curl -s -H "Authorization: Bearer $access" "$SIM_URL/strict/api/me" | json '$.sub')"
    check_equal 'strict: no reuse so far' '0|2' "$(sim_account strict acct-1 reuse)|$(sim_account strict acct-1 spent)"
    check_equal 'strict: reuse is refused' '400 invalid_grant' "$(request strict "$first") $(body error)"
    check_equal 'strict: reuse revokes the grant' '1|reuse|1' \
        "$(sim_account strict acct-1 revoked)|$(sim_account strict acct-1 reason)|$(sim_account strict acct-1 reuse)"
    check_equal 'strict: with its access token' 'revoked 401' "$(sim_token "$access" state) $(curl -s -o "$DIR/body" \
        -w '%{http_code}' -H "Authorization: Bearer $access" "$SIM_URL/strict/api/me")"
    check_equal 'strict: a token presented twice shows' 2 "$(sim_account strict acct-1 max_presented)"
    check_equal 'strict: counts' '3|2|1|1' \
        "$(sim_count strict presented)|$(sim_count strict ok)|$(sim_count strict refused)|$(sim_count strict reuse)"
    sim mark > /dev/null
    check_equal 'counts: zero after mark' 0 "$(sim_count total requests)"
    check_equal 'strict: the other account lives' 0 "$(sim_account strict acct-2 revoked)"
}

test_strict_grace() {
    fresh strict 1 '"grace":30,"expires_in":1800'
    sim clock '{"now":1800000000}' > /dev/null
    local first second
    first=$(refresh_of strict acct-1)
    request strict "$first" > /dev/null
    second=$(body refresh_token)
    sim clock '{"advance":30}' > /dev/null
    request strict "$first" > /dev/null
    check_equal 'grace: the same pair again' "$second" "$(body refresh_token)"
    check_equal 'grace: what is left of its life' 1770 "$(body expires_in)"
    check_equal 'grace: counted as a repeat' '1|0' \
        "$(sim_account strict acct-1 repeats)|$(sim_account strict acct-1 reuse)"
    sim clock '{"advance":1}' > /dev/null
    request strict "$first" > /dev/null
    check_equal 'grace: over' '400|1' "$(request strict "$first")|$(sim_account strict acct-1 revoked)"
}

# The form-urlencoded id and secret, in base64: a client that leaves the encoding out is refused.
test_strict_clients() {
    fresh strict 1 '"scope":"a b"'
    sim clients '{"provider":"strict","client_id":"b:asic","client_secret":"s+c%t","auth":"basic"}' > /dev/null
    sim clients '{"provider":"strict","client_id":"post","client_secret":"x","auth":"post"}' > /dev/null
    local url=$SIM_URL/strict/token
    ask() {
        curl -s -o "$DIR/body" -D "$DIR/head" -w '%{http_code}' -d grant_type=refresh_token \
            --data-urlencode "refresh_token=$(refresh_of strict acct-1)" "$@" "$url"
    }
    check_equal 'clients: Basic, encoded' 200 "$(ask -u 'b%3Aasic:s%2Bc%25t')"
    check_equal 'clients: Basic, not encoded' '401 invalid_client' "$(ask -u 'b:asic:s+c%t') $(body error)"
    check_match 'clients: the challenge' '^WWW-Authenticate: Basic' "$(cat "$DIR/head")"
    check_equal 'clients: Basic only' 401 "$(ask --data-urlencode client_id=b:asic --data-urlencode client_secret=s+c%t)"
    check_equal 'clients: post' 200 "$(ask -d client_id=post -d client_secret=x)"
    check_equal 'clients: post only' 401 "$(ask -u post:x)"
    check_equal 'clients: both at once' '400 invalid_request' \
        "$(ask -u post:x -d client_id=post -d client_secret=x) $(body error)"
    check_equal 'clients: a part of the scope' 200 "$(ask -d client_id=post -d client_secret=x -d scope=b)"
    check_equal 'clients: more scope' '400 invalid_scope' \
        "$(ask -d client_id=post -d client_secret=x -d 'scope=b c') $(body error)"
    check_equal 'clients: no reuse came of it' 0 "$(sim_account strict acct-1 reuse)"
}

# mode JSON [PROVIDER]: one misbehaviour on a fresh account; sets code.
mode() {
    fresh "${2:-google}"
    misbehave "{$1}"
    code=$(request "${2:-google}" "$(refresh_of "${2:-google}" acct-1)" --compressed)
}
tokens_issued() { sim_account "${1:-google}" acct-1 refresh_ok; }

test_modes_of_replies() {
    mode '"mode":"status","status":502,"body":"<p>","headers":{"X-A":"b"}'
    check_equal 'status: unprocessed' '502 <p> 0' "$code $(cat "$DIR/body") $(tokens_issued)"
    check_match 'status: headers' '^X-A: b' "$(cat "$DIR/head")"
    mode '"mode":"status","process":true'
    check_equal 'status: processed all the same' '503 1' "$code $(tokens_issued)"
    mode '"mode":"retry_after","retry_after":"120"'
    check_equal 'retry_after' '429 Retry-After: 120' "$code $(grep Retry "$DIR/head" | tr -d '\r')"
    mode '"mode":"html"'
    check_match 'html' '^200 <!DOCTYPE html>' "$code $(cat "$DIR/body")"
    mode '"mode":"empty"'
    check_equal 'empty' '200 0' "$code $(stat -c %s "$DIR/body")"
    mode '"mode":"garbage"'
    check_equal 'garbage is not JSON' 0 "$(sqlite3 :memory: \
        "select json_valid(cast(readfile('$DIR/body') as text))")"
    mode '"mode":"json","body":"[1, 2]","status":201'
    check_equal 'json: to the letter' '201 [1, 2]' "$code $(cat "$DIR/body")"
    mode '"mode":"json","body":{"access_token":"x"}'
    check_equal 'json: as an object' '200 {"access_token":"x"}' "$code $(cat "$DIR/body")"
    mode '"mode":"huge"'
    check_equal 'huge' 10485760 "$(stat -c %s "$DIR/body")"
    mode '"mode":"bomb"'
    check_equal 'bomb: unpacks, with a good checksum' '104857600 0' "$(stat -c %s "$DIR/body") $(curl_exit)"
    check_match 'bomb: small on the wire' '^Content-Length: [0-9]{5,6}.$' "$(cat "$DIR/head")"
    rm -f "$DIR/body"
    mode '"mode":"bom"'
    check_equal 'bom' 'efbbbf7b' "$(head -c 4 "$DIR/body" | od -An -tx1 | tr -d ' ')"
    mode '"mode":"bad_utf8"'
    check_fails 'bad_utf8' iconv -f UTF-8 -t UTF-8 "$DIR/body"
    check_equal 'bad_utf8: was processed' 1 "$(tokens_issued)"
}

test_mode_member() {
    local value
    for value in 0 -5 '\"3600\"' 3599.5 1e18 null '[]'; do
        mode "\"mode\":\"member\",\"name\":\"expires_in\",\"value\":\"$value\""
        value=${value//\\/}
        check_match "member: expires_in $value" "\"expires_in\":${value//[][]/.}[,}]" "$(cat "$DIR/body")"
    done
    mode '"mode":"member","name":"expires_in","value":null'
    check_no_match 'member: left out' expires_in "$(cat "$DIR/body")"
    check_match 'member: the rest is there' '"access_token":"ya29' "$(cat "$DIR/body")"
}

test_modes_of_connections() {
    mode '"mode":"drop_before"'
    check_equal 'drop_before: no byte, orderly' '52 0' "$(curl_exit) $(tokens_issued)"
    check_equal 'drop_before: presented all the same' 1 "$(sim_account google acct-1 presented)"
    mode '"mode":"drop_before","how":"rst"'
    check_equal 'drop_before: reset' '56 0' "$(curl_exit) $(tokens_issued)"
    mode '"mode":"drop_after"' strict
    check_equal 'drop_after: no byte' '52 1' "$(curl_exit) $(tokens_issued strict)"
    check_equal 'drop_after: the pair was rotated' 1 "$(sim_account strict acct-1 spent)"
    mode '"mode":"drop_after","how":"rst"' strict
    check_equal 'drop_after: reset' '56 1' "$(curl_exit) $(tokens_issued strict)"
    check_equal 'drop_after: counted' 1 "$(sim_count strict dropped)"
    mode '"mode":"cut","bytes":20'
    check_equal 'cut: full length promised, 20 bytes sent' '18 20' "$(curl_exit) $(stat -c %s "$DIR/body")"
    wait_until 10 log_says unwritten
    check_equal 'cut: processed, and known as unwritten' '1 1' "$(tokens_issued) $(sim_count google unwritten)"
    mode '"mode":"cut","bytes":0'
    check_equal 'cut: headers alone' '18 200' "$(curl_exit) $code"
    local begin
    begin=$(date +%s%N)
    mode '"mode":"delay","ms":300'
    check 'delay' test $((($(date +%s%N) - begin) / 1000000)) -ge 300
    check_equal 'delay: the proper reply' '200 1' "$code $(tokens_issued)"
}
log_says() { [ "$(sim_count google "$1")" = 1 ]; }

# Two requests on one connection, as curl keeps it. That curl then sends the second once more by
# itself is curl's way with kept connections, and no concern of this test.
two_on_one_connection() {
    curl -s --http1.1 -o "$DIR/body" -o "$DIR/body2" -w '%{http_code} %{num_connects}\n' \
        -d grant_type=refresh_token --data-urlencode "refresh_token=$(refresh_of google acct-1)" \
        -d client_id=a -d client_secret=b "$SIM_URL/google/token" "$SIM_URL/google/token" |
        tr '\n' ' ' > "$DIR/kept"
    sim_get log > "$DIR/log"
}
logged() { json "\$.requests[$1].$2" < "$DIR/log"; }

test_close_kept() {
    local how
    for how in fin rst; do
        fresh google
        misbehave "{\"mode\":\"close_kept\",\"how\":\"$how\"}"
        two_on_one_connection
        check_equal "close_kept ($how): the first request is answered" 'ok 200' \
            "$(logged 0 outcome) $(logged 0 status)"
        check_equal "close_kept ($how): the second is taken and dropped" 'unprocessed close_kept ' \
            "$(logged 1 outcome) $(logged 1 misbehaved) $(logged 1 status)"
        check_equal "close_kept ($how): on the same connection" "$(logged 0 connection)" "$(logged 1 connection)"
        check_equal "close_kept ($how): counted as presented" "$(sim_count google requests)" \
            "$(sim_account google acct-1 presented)"
    done
    fresh google
    misbehave '{"mode":"close_after"}'
    two_on_one_connection
    check_equal 'close_after: the connection is not kept' '200 1 200 1 ' "$(cat "$DIR/kept")"
    fresh google
    two_on_one_connection
    check_equal 'a connection is kept otherwise' '200 1 200 0 ' "$(cat "$DIR/kept")"
}

test_queue() {
    fresh google 2
    misbehave '{"mode":"status","account":"acct-2","count":2}'
    misbehave '{"mode":"html","path":"/tokeninfo","count":-1}'
    local one two
    one=$(refresh_of google acct-1) two=$(refresh_of google acct-2)
    check_equal 'queue: by account and count' '200 503 503 200' \
        "$(request google "$one") $(request google "$two") $(request google "$two") $(request google "$two")"
    check_equal 'queue: by path, for ever' '200 1' "$(curl -s -o /dev/null -w '%{http_code}' \
        "$SIM_URL/google/tokeninfo") $(sim_get misbehave | json '$.queued')"
    sim misbehave '{"clear":true}' > /dev/null
    check_equal 'queue: cleared' 0 "$(sim_get misbehave | json '$.queued')"
    check_fails 'queue: an unknown mode is refused' sim misbehave '{"mode":"nonsense"}'
    check_fails 'queue: an unknown member is refused' sim misbehave '{"mode":"html","mss":3}'
    check_fails 'control: an unknown member is refused' sim accounts '{"provider":"google","cuont":3}'
    check_fails 'control: a wrong type is refused' sim accounts '{"provider":"google","count":"3"}'
    check_fails 'control: a name that is taken' sim accounts '{"provider":"google","account":"acct-1"}'
    sim accounts '{"provider":"strict","account":"x","access_token":"A","refresh_token":"R"}' > /dev/null
    check_equal 'control: given tokens' '200' "$(request strict R)"
    check_equal 'control: lines for shell tools' 'x 0 1 0 1' \
        "$(sim_get 'accounts?provider=strict&format=tsv' | cut -f 1,4-7 | tr '\t' ' ')"
}

# form PATH [CURL OPTION...]: a POST; body in $DIR/body, headers in $DIR/head; prints the status.
form() {
    local path=$1
    shift
    curl -s -o "$DIR/body" -D "$DIR/head" -w '%{http_code}' "$@" "$SIM_URL$path"
}

test_tiktok() {
    fresh tiktok 2
    local first second access
    first=$(refresh_of tiktok acct-1)
    ask() { # REFRESH_TOKEN [CURL OPTION...]
        form /tiktok/v2/oauth/token/ -d client_key=k -d client_secret=s -d grant_type=refresh_token \
            --data-urlencode "refresh_token=$1" "${@:2}"
    }
    check_equal 'tiktok: a refresh is answered 200' 200 "$(ask "$first")"
    second=$(body refresh_token) access=$(body access_token)
    check_equal 'tiktok: lifetimes, open_id, scope' \
        '86400 31536000 open-acct-1 user.info.basic,video.list,video.publish' \
        "$(body expires_in) $(body refresh_expires_in) $(body open_id) $(body scope)"
    sim lives '{"provider":"tiktok","expires_in":7200,"refresh_expires_in":15552000}' > /dev/null
    check_equal 'tiktok: other lifetimes from now on' '200 7200 15552000' \
        "$(ask "$second") $(body expires_in) $(body refresh_expires_in)"
    check_equal 'tiktok: errors are 200' '200 invalid_grant' "$(ask nonsense) $(body error)"
    check_equal 'tiktok: not a form' '200 invalid_request' \
        "$(ask x -H 'Content-Type: application/json') $(body error)"
    check_equal 'tiktok: client_id is not client_key' '200 invalid_request' "$(form /tiktok/v2/oauth/token/ \
        -d client_id=k -d client_secret=s -d grant_type=refresh_token -d refresh_token=x) $(body error)"
    check_equal 'tiktok: without the last slash' 404 "$(form /tiktok/v2/oauth/token -d a=b)"
    check_equal 'tiktok: the API knows the access token' '200 ok open-acct-1' \
        "$(form /tiktok/v2/user/info/ -G -H "Authorization: Bearer $access") $(body error.code) $(body data.user.open_id)"
    check_equal 'tiktok: reuse ends the grant' '200 invalid_grant 1 reuse' \
        "$(ask "$first") $(body error) $(sim_account tiktok acct-1 reuse) $(sim_account tiktok acct-1 reason)"
    check_equal 'tiktok: with its access token' '401 access_token_invalid' \
        "$(form /tiktok/v2/user/info/ -G -H "Authorization: Bearer $access") $(body error.code)"
    sim clients '{"provider":"tiktok","client_id":"k","client_secret":"other"}' > /dev/null
    check_equal 'tiktok: a wrong secret' '200 invalid_client 0' \
        "$(ask "$(refresh_of tiktok acct-2)") $(body error) $(sim_account tiktok acct-2 spent)"
}

test_lightspeed() {
    fresh lightspeed
    sim clock "{\"now\":$(date +%s)}" > /dev/null
    local first second access
    first=$(refresh_of lightspeed acct-1)
    ask() {
        form /lightspeed/auth/oauth/token -d client_id=k -d client_secret=s \
            -d grant_type=refresh_token --data-urlencode "refresh_token=$1" "${@:2}"
    }
    api() { form /lightspeed/API/V3/Account.json -G -H "Authorization: Bearer $1"; }
    check_equal 'lightspeed: a refresh is answered 200' '200 1800' "$(ask "$first") $(body expires_in)"
    second=$(body refresh_token) access=$(body access_token)
    check_match 'lightspeed: the bucket' '^X-LS-Api-Bucket-Level: 1.00/90' "$(cat "$DIR/head")"
    check_equal 'lightspeed: asked again before anything is used' '200 1' \
        "$(ask "$first") $(sim_account lightspeed acct-1 repeats)"
    check_equal 'lightspeed: what the first answer brought is replaced' '401 400 invalid_grant' \
        "$(api "$access") $(ask "$second") $(body error)"
    local n
    for n in 2 3 4 5; do ask "$first" > /dev/null; done
    check_equal 'lightspeed: five repeats a minute' 5 "$(sim_account lightspeed acct-1 repeats)"
    check_equal 'lightspeed: and no more' '429 Retry-After: 60' \
        "$(ask "$first") $(grep Retry "$DIR/head" | tr -d '\r')"
    sim clock '{"advance":60}' > /dev/null
    check_equal 'lightspeed: again a minute later' 200 "$(ask "$first")"
    access=$(body access_token) second=$(body refresh_token)
    check_equal 'lightspeed: the API knows the access token' '200 acct-1' "$(api "$access") $(body Account.name)"
    check_equal 'lightspeed: from then on the old one is of no use' '400 invalid_grant 1' \
        "$(ask "$first") $(body error) $(sim_account lightspeed acct-1 reuse)"
    check_equal 'lightspeed: the new one is not harmed' 200 "$(ask "$second")"
    check_equal 'lightspeed: a refresh ends the access token before it' 401 "$(api "$access")"
    second=$(refresh_of lightspeed acct-1)
    check_equal 'lightspeed: a scope is refused' '400 invalid_grant' "$(ask "$second" -d scope=x) $(body error)"
    sim clock '{"advance":2592000}' > /dev/null
    check_equal 'lightspeed: unused for 30 days' '400 invalid_grant' "$(ask "$second") $(body error)"
}

test_lightspeed_x() {
    fresh lightspeed_x 2
    local first second
    first=$(refresh_of lightspeed_x acct-1)
    ask() { # STORE REFRESH_TOKEN
        form "/x/$1/api/1.0/token" -d client_id=k -d client_secret=s -d grant_type=refresh_token \
            --data-urlencode "refresh_token=$2"
    }
    check_equal "x: at another retailer's server" '400 invalid_grant 0' \
        "$(ask acct-2 "$first") $(body error) $(sim_account lightspeed_x acct-1 spent)"
    check_equal 'x: no such retailer' 404 "$(ask nobody "$first")"
    check_equal 'x: a refresh' '200 604800 acct-1' \
        "$(ask acct-1 "$first") $(body expires_in) $(body domain_prefix)"
    check_equal 'x: the point in time too' "$(body expires)" "$(sim_account lightspeed_x acct-1 expires_at)"
    check_match 'x: its limits' '^X-RateLimit-Remaining: 299' "$(cat "$DIR/head")"
    second=$(body refresh_token)
    check_equal 'x: the new one works' 200 "$(ask acct-1 "$second")"
    check_equal 'x: the old one is revoked at once' '400 invalid_grant 1' \
        "$(ask acct-1 "$first") $(body error) $(sim_account lightspeed_x acct-1 reuse)"
    misbehave '{"mode":"status","status":503}'
    check_equal 'x: the token endpoint misbehaves by default' 503 "$(ask acct-2 "$(refresh_of lightspeed_x acct-2)")"
}

# post PATH [CURL OPTION...]: status; body in $DIR/body.
post() { curl -sS --max-time 30 -o "$DIR/body" -w '%{http_code}' "${@:2}" "$SIM_URL/facebook/v26.0/$1" 2> "$DIR/curl.err"; }
event() { # ID [NAME [AGE [MEMBERS]]]
    local source=website hash
    hash=$(printf x | sha256sum | cut -c1-64)
    printf '{"event_name":"%s","event_id":"%s","event_time":%s,"action_source":"%s","user_data":{"em":["%s"]}%s}' \
        "${2-Purchase}" "$1" $(($(date +%s) - ${3:-0})) "$source" "$hash" "${4:+,$4}"
}
events() { # JSON of each...: in a form that curl sends
    local IFS=,
    printf '{"data":[%s]}' "$*" > "$DIR/events.json"
    post "111/events?access_token=$TOKEN" -H 'Content-Type: application/json' --data-binary "@$DIR/events.json"
}
meant() { echo "$1 $(body error.code)/$(body error.error_subcode)"; }

test_events() {
    fresh facebook 2
    local second first
    first=$(event a) # its time is that of its making
    TOKEN=$(sim_account facebook acct-1 access_token)
    second=$(sim_account facebook acct-2 access_token)
    check_equal 'events: taken' '200 2' "$(events "$first" "$(event b)") $(body events_received)"
    check_equal 'events: each is remembered, with who sent it' \
        $'111\tPurchase\ta\t1\t0\tacct-1\n111\tPurchase\tb\t1\t0\tacct-1' \
        "$(sim_get 'events?format=tsv')"
    check_equal 'events: and what it was' "$first" "$(sim_get 'events?event_id=a' | json '$.events[0].event')"
    check_equal 'events: as a form, with a bearer' '200 1' "$(post 222/events -H "Authorization: Bearer $second" \
        --data-urlencode "data=[$(event a)]") $(body events_received)"
    check_equal 'events: with the token in the body' '200 1' "$(post 222/events -H 'Content-Type: application/json' \
        -d "{\"data\":[$(event a)],\"access_token\":\"$second\"}") $(body events_received)"
    check_equal 'events: by pixel' $'222\tPurchase\ta\t2\t0\tacct-2' "$(sim_get 'events?format=tsv&pixel=222')"
    test_events_refused
    misbehave '{"mode":"drop_after","path":"/events"}'
    events "$(event a)" > /dev/null
    misbehave '{"mode":"status","status":500,"process":true,"path":"/events"}'
    events "$(event a)" > /dev/null
    misbehave '{"mode":"status","status":500,"path":"/events"}'
    events "$(event a)" > /dev/null
    check_equal 'events: answers that did not arrive are counted with them' $'111\tPurchase\ta\t3\t2\tacct-1' \
        "$(sim_get 'events?format=tsv&pixel=111' | grep $'\ta\t')"
    test_events_tokens "$second"
}

test_events_refused() {
    local day=86400 many
    check_equal 'events: too old, and all are refused' '400 100/2804003' \
        "$(meant "$(events "$(event c)" "$(event d Purchase $((7 * day + 10)))")")"
    check_equal 'events: in the future' '400 100/2804004' "$(meant "$(events "$(event c Purchase -300)")")"
    check_equal 'events: bad on purpose' '400 100/2804099' "$(meant "$(events "$(event c)" "$(event d BAD)")")"
    check_equal 'events: one without a name' '400 100/2804010' "$(meant "$(events "$(event c '')")")"
    check_equal 'events: an address that is no hash' '400 100/2804050' \
        "$(meant "$(events "$(event c | sed 's/"em":.*\]/"em":["a@b.example"]/')")")"
    many=$(event c)
    check_equal 'events: a thousand' 200 "$(events $(yes "$many" | tr -d ' ' | head -1000))"
    check_equal 'events: no more' '400 100/2804002' "$(meant "$(events $(yes "$many" | tr -d ' ' | head -1001))")"
    check_equal 'events: nothing of what was refused is remembered' 0 \
        "$(sim_get 'events?format=tsv' | awk -F '\t' '$3 == "d"' | wc -l)"
    check_equal 'events: the largest batch' 1000 "$(sim_get events | json '$.largest')"
}

test_events_tokens() {
    sim pixels '{"pixel":"111","account":"acct-1"}' > /dev/null
    sim pixels '{"pixel":"333","account":"acct-1","refusal":200}' > /dev/null
    check_equal 'events: a pixel that is hers' 200 "$(events "$(event e)")"
    TOKEN=$1
    check_equal "events: another's pixel" '400 100/33' "$(meant "$(events "$(event e)")")"
    TOKEN=$(sim_account facebook acct-1 access_token)
    check_equal 'events: a permission' '403 200/' "$(meant "$(post "333/events?access_token=$TOKEN" \
        -H 'Content-Type: application/json' --data-binary "@$DIR/events.json")")"
    sim unfit "{\"token\":\"$TOKEN\"}" > /dev/null
    check_equal 'events: a token that serves for an exchange alone' '400 190/463' "$(meant "$(events "$(event e)")")"
    check_equal 'events: but for that it serves' 200 "$(post \
        "oauth/access_token?grant_type=fb_exchange_token&client_id=a&client_secret=b&fb_exchange_token=$TOKEN")"
    TOKEN=$(body access_token)
    check_equal 'events: its successor is taken' 200 "$(events "$(event e)")"
    sim revoke '{"provider":"facebook","account":"acct-1","reason":"460"}' > /dev/null
    check_equal 'events: a revoked token' '400 190/460' "$(meant "$(events "$(event e)")")"
}

# A share of the requests, by a seed: the same again, whoever comes first; another seed, others.
test_share() {
    hit() { # SEED ORDER: the accounts of fifty that were refused
        fresh strict 50
        misbehave "{\"mode\":\"status\",\"count\":-1,\"share\":40,\"seed\":$1}"
        sim_get 'accounts?provider=strict&format=tsv' | sort ${2:-} | cut -f 3 | while read -r token; do
            request strict "$token" > /dev/null
        done
        sim_get 'accounts?provider=strict&format=tsv' | awk -F '\t' '$8 > 0 { print $1 }' | sort
    }
    local first
    first=$(hit 7)
    check 'share: about so many' test "$(wc -l <<< "$first")" -ge 8 -a "$(wc -l <<< "$first")" -le 32
    check_equal 'share: the same in another order' "$first" "$(hit 7 -r)"
    check_no_match 'share: others with another seed' "^yes$" "$([ "$first" = "$(hit 8)" ] && echo yes)"
}

# 500 connections at once, each kept waiting: presented at once, all answered.
test_many() {
    fresh google 1
    misbehave '{"mode":"delay","ms":1500,"count":-1}'
    local token
    token=$(refresh_of google acct-1)
    curl -s --http1.1 -Z --parallel-max 300 --parallel-immediate -o /dev/null -w '%{http_code}\n' \
        -d grant_type=refresh_token --data-urlencode "refresh_token=$token" -d client_id=a -d client_secret=b \
        "$SIM_URL/google/token?[1-300]" > "$DIR/codes" 2> /dev/null
    check_equal 'many: 300 at once are answered' 300 "$(grep -c '^200$' "$DIR/codes")"
    check 'many: and were under way together' test "$(sim_account google acct-1 max_concurrent)" -ge 100
    check_equal 'many: all counted' 300 "$(sim_account google acct-1 presented)"
}

test_tls() {
    stop_simulator
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
        -addext subjectAltName=IP:127.0.0.1 -keyout "$DIR/key.pem" -out "$DIR/cert.pem" 2> /dev/null
    start_simulator --tls "$DIR/cert.pem" "$DIR/key.pem" --state "$DIR/truth.json"
    fresh google
    check_equal 'tls: verified by its certificate' 200 \
        "$(request google "$(refresh_of google acct-1)" --cacert "$DIR/cert.pem")"
    misbehave '{"mode":"drop_after","how":"rst"}'
    request google "$(refresh_of google acct-1)" > /dev/null
    check 'tls: dropped' test "$(curl_exit)" -ne 0
    stop_simulator
    check_equal 'the truth is left behind at the end' 2 "$(json '$[0].refresh_ok' < "$DIR/truth.json")"
}

start_simulator
check_equal 'serves on the loopback alone' 127.0.0.1 "$(echo "$SIM_URL" | sed 's,.*//\(.*\):.*,\1,')"
for t in google google_errors clock strict strict_grace strict_clients tiktok lightspeed lightspeed_x events modes_of_replies mode_member \
    modes_of_connections close_kept queue share many tls; do
    test_$t
done
finish
