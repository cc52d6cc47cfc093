#!/bin/bash
# SPDX-License-Identifier: MIT
# A job without `records` keeps its rows in renewd's own table: filled by renewctl import, sealed there,
# refreshed like any other; no command ever prints a token.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"

# lines FIRST LAST: accounts of $DIR/accounts.tsv as JSON lines; the tokens hold no quote.
lines() {
    sed -n "$1,$2p" "$DIR/accounts.tsv" | awk -F '\t' '{
        printf "{\"id\":\"id %s\",\"account\":\"%s\",\"access_token\":\"%s\",\"refresh_token\":\"%s\",\"expires_at\":%s}\n",
            $1, $1, $2, $3, $4 }'
}

imported() { # how many rows renewd's own table has
    sql "select count(*) from $(own accounts)"
}

import() { # NAME PATTERN FILE...: is refused with such a sentence, and leaves the table as it was
    local name=$1 pattern=$2 before out
    shift 2
    before=$(sql "select * from $(own accounts) order by id")
    out=$(ctl import own "$@" 2>&1)
    check_equal "$name: refused" 1 $?
    check_match "$name: with a reason" "$pattern" "$out"
    check_no_match "$name: which shows no token" "$HUSH" "$out"
    check_equal "$name: nothing was imported" "$before" "$(sql "select * from $(own accounts) order by id")"
}

through_store() { # STORE
    local s=$1 bad="$DIR/bad.jsonl" out
    stage "$s"
    strict_job own '' '' client-1 post ' '
    check "$s: a job without records has nothing to do" run_renewd --once
    start_ready || exit 1
    sim 'accounts?format=tsv' '{"provider":"strict","count":5,"prefix":"own","age":10800}' > "$DIR/accounts.tsv"
    ctl pause own > /dev/null # so that the imported rows are seen before the daemon refreshes them
    { lines 1 2; echo; lines 3 3; } > "$DIR/good.jsonl"
    check_equal "$s: three records are imported" "imported 3" "$(ctl import own "$DIR/good.jsonl" 2>&1)"
    check_equal "$s: they are in renewd's own table" "own|id own-1|own-1" \
        "$(sql "select job, id, account from $(own accounts) order by id limit 1")"
    check_equal "$s: sealed" 3 "$(sql "select count(*) from $(own accounts)
        where access_token like 'r1.test.%' and refresh_token like 'r1.test.%'")"

    lines 3 4 > "$bad"
    import "$s: an existing id" 'id own-3.*--replace' "$bad"
    { lines 4 4; echo '{"id":"x","refresh_token":'; } > "$bad"
    import "$s: a line that is no JSON" 'line 2' "$bad"
    echo '{"id":"x","refresh_token":"strict.rt.\ud800"}' > "$bad"
    import "$s: half a surrogate pair" 'line 1: .*is not text .* in refresh_token, at offset' "$bad"
    echo '{"id":"x","refresh_token":"strict.rt.\u0000"}' > "$bad"
    import "$s: a NUL" 'line 1: refresh_token must be a text, without NUL' "$bad"
    { lines 4 4; echo; echo '{"id":"x","refresh_tokem":"strict.rt.oops"}'; } > "$bad"
    import "$s: an unknown member" 'line 3.*refresh_tokem' "$bad"
    { lines 4 4; echo '{"id":"x","access_token":"strict.at.oops"}'; } > "$bad"
    import "$s: a record without its credential" 'line 2.*refresh_token' "$bad"
    echo '{"id":"x","refresh_token":"strict.rt.oops","expires_at":"soon"}' > "$bad"
    import "$s: a time that is none" 'line 1.*expires_at' "$bad"
    echo '{"refresh_token":"strict.rt.oops"}' > "$bad"
    import "$s: a line without id" 'line 1.*id' "$bad"
    : > "$bad"
    import "$s: an empty file" "there is no record in $bad" "$bad"
    echo > "$bad"
    import "$s: a file of empty lines" "there is no record in $bad" "$bad"
    import "$s: a file that is not there" 'not-there' "$DIR/not-there"
    { lines 4 4; lines 4 4; } > "$bad"
    import "$s: one id twice" 'id own-4' "$bad"
    check_equal "$s: usage" 2 "$(ctl import own > /dev/null 2>&1; echo $?)"

    lines 3 4 > "$bad"
    check_equal "$s: --replace takes an existing id" "imported 2" "$(ctl import own "$bad" --replace)"
    check_equal "$s: from standard input, as JSON" '{"imported":1}' "$(lines 5 5 | ctl --json import own -)"
    check_equal "$s: now there are five" 5 "$(imported)"
    stop_renewd

    check_fails "$s: --once leaves a paused job alone, which is not all well" run_renewd --once
    check_match "$s: and says so" 'job own is paused: nothing of it was refreshed; renewctl resume own' "$(cat "$DIR/renewd.log")"
    check_equal "$s: nothing is presented" 0 "$(strict_sum presented)"
    start_ready && ctl resume own > /dev/null
    stop_renewd
    check "$s: --once refreshes them" run_renewd --once
    check_equal "$s: all five, once each" "5 5 0" "$(strict_sum presented) $(strict_sum ok) $(strict_sum reuse)"
    check_equal "$s: what came is sealed" 5 "$(sql "select count(*) from $(own accounts)
        where access_token like 'r1.test.%' and refresh_token like 'r1.test.%'")"
    check_no_match "$s: no table of renewd's holds a plain token" "$HUSH" \
        "$(for t in accounts records credentials attempts kept facts ledger; do sql "select * from $(own $t)"; done)"
    sim mark '{}' > /dev/null
    check "$s: a second --once" run_renewd --once
    check_equal "$s: asks for nothing" 0 "$(sim_count strict requests)"
    local later=$(($(date +%s) + 3600))
    sim clock "{\"now\":$later}" > /dev/null
    check "$s: an hour later" run_at_time "$later" --once
    check_equal "$s: the sealed ones are opened and live" "10 0" "$(strict_sum ok) $(strict_sum reuse)"
    check_equal "$s: expiry and history are there" 5 "$(sql "select count(*) from $(own accounts)
        where expires_at between $later + 3600 and $later + 3660 and refreshed_at between $later and $later + 60")"
    check_equal "$s: each record has rotated twice" "2|2|5" \
        "$(sql "select min(generation), max(generation), count(*) from $(own records)")"

    start_ready || exit 1
    check "$s: a record of a key with a blank is shown" ctl show own 'id own-1'
    out=$(ctl show own 'id own-1'; ctl --json show own 'id own-1'; ctl records; ctl --json records own
        ctl jobs; ctl runs; ctl status; ctl --json status; ctl describe oauth2)
    check_match "$s: they name the account" 'own-1' "$out"
    check_no_match "$s: and never a token" "$HUSH|r1[.]test" "$out"
    stop_renewd
}

start_simulator
for store in sqlite postgresql; do
    through_store $store
done
no_tokens_in_logs
finish
