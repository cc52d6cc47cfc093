#!/bin/bash
# SPDX-License-Identifier: MIT
# A plugin that repeats what the provider says, whole in the log and cut in its failure. The provider says what it
# was sent, in every encoding, and tokens that nobody knows yet. Nothing of it reaches log, row, tables or answers.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"

percent() { # TEXT: each byte
    printf '%s' "$1" | od -An -v -tx1 | tr -d '\n' | sed 's/ /%/g'
}

escaped() { # TEXT: as \u00xx, twice escaped, for a JSON text within the control request
    printf '%s' "$1" | od -An -v -tx1 | tr -d '\n' | sed 's/ /\\\\u00/g'
}

# say BODY [STATUS]: to the next request. Its Location has the row's token, percent-encoded.
say() {
    printf '{"mode":"status","provider":"strict","status":%s,"content_type":"text/plain","body":"%s",
        "headers":{"Location":"https://elsewhere.example/?token=%s"}}' "${2:-503}" "$1" "$(percent "$TOKEN")" > "$DIR/say.json"
    curl -sS --fail-with-body -H 'Content-Type: application/json' --data-binary "@$DIR/say.json" "$SIM_URL/_sim/misbehave" > /dev/null
}

# Every place at which anything of it could be seen.
everything() {
    cat "$DIR/renewd.log"
    sql "select coalesce(last_error, '') from tokens"
    sql "select coalesce(last_code, ''), coalesce(last_text, '') from $(own records)"
    sql "select coalesce(code, ''), coalesce(text, '') from $(own attempts)"
}

once_said() {
    run_at_time "$NOW" --once > "$DIR/said" 2>&1
}

# shown NAME PIECE...: it was attempted, and no piece is seen.
check_hidden() { # NAME
    local seen i forms
    check_fails "$1: it is not refreshed" once_said
    check_no_match "$1: nothing of it in the output" "$TOKEN|$TEST_SECRET|brand-new|BRANDNEW" "$(cat "$DIR/said")"
    NOW=$((NOW + 7200))
    seen=$(everything)
    check_match "$1: what the provider said is told" 'the provider said.*FILLER' "$seen"
    check_match "$1: the plugin's own line says whose it is" 'plugin=loud job=tokens record=1 account=a' "$seen"
    forms="$TOKEN
$(percent "$TOKEN")
$(printf '%s' "$TOKEN" | base64 -w 0)
$(printf 'client-1:%s' "$TEST_SECRET" | base64 -w 0)
$(escaped "$TOKEN" | sed 's/\\\\/\\/g')"
    for form in $forms; do
        for ((i = 0; i + 28 <= ${#form}; i += 4)); do
            if grep -Fq -- "${form:i:28}" <<< "$seen"; then
                not_ok "$1: hidden" "seen: ${form:i:28}"
                return
            fi
        done
    done
    check_no_match "$1: hidden" "$(cut -c 1-24 <<< "$TOKEN")|$TEST_SECRET|brand-new|BRANDNEW" "$seen"
}

redaction() { # STORE
    local s=$1 n filler
    stage "$1"
    make_accounts_table tokens
    sim clients '{"provider":"strict","client_id":"client-1","client_secret":"hush-secret"}' > /dev/null
    TOKEN=plain-refresh-token-of-fifty-five-characters-0123456789abc
    sim accounts "{\"provider\":\"strict\",\"account\":\"a\",\"access_token\":\"access-old-1\",\"refresh_token\":\"$TOKEN\"}" > /dev/null
    sql "insert into tokens (account, access_token, refresh_token, expires_at) values ('a', 'access-old-1', '$TOKEN', null)"
    strict_job tokens tokens 'replay = "safe";'
    sed -i 's/plugin = "oauth2"/plugin = "loud"/' "$DIR/conf.d/tokens.conf"
    NOW=$(date +%s)
    for n in 215 235 250; do # a buffer of 300 bytes ends within the token
        filler=FILLER$(printf '%*s' "$n" '' | tr ' ' x)
        say "$filler $TOKEN"
        check_hidden "$s, cut after $n"
    done
    say "FILLER $(percent "$TOKEN") $(percent "$TEST_SECRET")"
    check_hidden "$s, percent-encoded"
    say "FILLER {\\\"t\\\":\\\"$(escaped "$TOKEN")\\\"}"
    check_hidden "$s, as JSON"
    say "FILLER $(printf '%s' "$TOKEN" | base64 -w 0) Basic $(printf 'client-1:%s' "$TEST_SECRET" | base64 -w 0)"
    check_hidden "$s, base64"
    say "FILLER {\\\"refresh_token\\\":\\\"brand-new-1234\\\"} code=BRANDNEW1234567/x"
    check_hidden "$s, tokens that nobody knows"
    say "FILLER{\\\"access\\\":\\\"BRANDNEW.4ccess.t0ken.of.$s\\\",\\\"refresh\\\":\\\"brand-new-words-of-refresh\\\",\\\"trace_id\\\":\\\"tr4ce-77fedc\\\"}"
    check_hidden "$s, tokens in members whose names say nothing"
    check_match "$s: the id of the request is told" 'tr4ce-77fedc' "$(cat "$DIR/renewd.log")"
    say "{\\\"access\\\":\\\"BRANDNEW.of.the.step.before.77\\\"}" 202
    say FILLER
    check_hidden "$s, a token in the answer to the step before"
}

REAL=$PLUGIN_DIR PLUGIN_DIR=$DIR/plugins
mkdir -p "$PLUGIN_DIR"
cp "$REAL/oauth2.so" "$PLUGIN_DIR/"
check "the plugin is built" ${CC:-cc} -shared -fPIC -I"$TOP/include" -I"$TOP/plugins" -o "$PLUGIN_DIR/loud.so" \
    "$TOP/tests/plugins/loud.c" "$TOP/plugins/oauth_common.c"
start_simulator
for store in sqlite postgresql; do
    redaction $store
done
no_tokens_in_logs
finish
