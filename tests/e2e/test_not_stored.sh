#!/bin/bash
# SPDX-License-Identifier: MIT
# What fails after a token was there: nothing is written over, the pair stays where it can, what it was paid with is
# not presented again. A new credential that no column takes; with fault points (a build of its own) also one
# that cannot be sealed.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/bad.sh"

# A refresh token of 70,000 letters beside an access token: the old one is spent, nothing is stored.
too_long() {
    local s="$1: a new credential of 70,000 letters"
    stage "$1"
    healthy
    make_accounts_table tokens
    load_accounts strict tokens 3 l- '"age":0'
    sql "update tokens set expires_at = $([ "$1" = sqlite ] && echo "strftime('%s', 'now') + 1800" || echo "now() + interval '30 min'")"
    strict_job strict tokens 'refresh_before = "31m";'
    sim misbehave "{\"mode\":\"member\",\"provider\":\"strict\",\"account\":\"l--2\",\"name\":\"refresh_token\",
        \"value\":\"\\\"$(printf 'x%.0s' {1..70000})\\\"\"}" > /dev/null
    token_rows tokens "where account = 'l--2'" > "$DIR/before"
    run_renewd --once
    check_equal "$s: --once exits 1" 1 $?
    token_rows tokens "where account = 'l--2'" > "$DIR/after"
    check "$s: the row is as it was" diff "$DIR/before" "$DIR/after"
    check_match "$s: the attempt is ambiguous and says why" \
        'record=2 .*outcome=ambiguous .*refresh_token to more than 64 KiB' "$(logs)"
    check_equal "$s: the others are refreshed" 2 "$(sql "select count(*) from tokens where refreshed_at is not null")"
    run_renewd --once
    check_equal "$s: the spent one is not presented again" 1 "$(sim_account strict l--2 presented)"
    check_healthy "$s"
}

start_simulator
for store in sqlite postgresql; do
    too_long $store
done
no_tokens_in_logs
finish
