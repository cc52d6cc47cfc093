#!/bin/bash
# SPDX-License-Identifier: MIT
# What a provider grants and changes: lives of access tokens, rotation. Said once, over restarts, and shown by
# renewctl jobs. Both stores.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"

SAYS='the provider changed what a refresh gives'

round() { # one run, an hour and a bit later
    now=$((now + 4000))
    sim clock "{\"now\":$now}" > /dev/null
    run_at_time "$now" --once || not_ok "a round succeeds: $(tail -n 3 "$DIR/renewd.log")"
}

said() {
    grep -c "$SAYS" "$DIR/renewd.log"
}

lives() { # STORE
    local s=$1 now
    stage "$s"
    now=$(date +%s)
    sim clock "{\"now\":$now}" > /dev/null
    make_accounts_table t
    load_accounts google t 3 life
    google_job t t
    round
    check_equal "$s: the first time nothing has changed" 0 "$(said)"
    check_match "$s: what is granted is known" '^3599 0 0$|^360[0-9] 0 0$' \
        "$(sql "select value from $(own facts) where name = 'granted:t'")"
    sim lives '{"provider":"google","expires_in":3000}' > /dev/null
    round
    check_equal "$s: a sixth less is no change" 0 "$(said)"
    sim lives '{"provider":"google","expires_in":900}' > /dev/null
    round
    check_equal "$s: much less is said, once for three records" 1 "$(said)"
    check_match "$s: with what it was and is" 'job=t life_was=3599s life=900s' "$(grep "$SAYS" "$DIR/renewd.log")"
    round
    check_equal "$s: and not again after a start" 0 "$(said)"
    load_accounts google t 1 turns '"age":10800,"expires_in":900,"rotate":true'
    round
    check_match "$s: one taken for safe that rotates is said" 'job=t rotates_was=no rotates=yes' \
        "$(grep "$SAYS" "$DIR/renewd.log")"
    round
    check_equal "$s: once" 0 "$(said)"
    start_ready || exit 1
    check_match "$s: the API has it" '"granted": *\{"life": *900, *"rotates": *true, *"changed_at": *"20' \
        "$(ctl --json jobs)"
    check_match "$s: renewctl jobs says it" 'job t: its provider changed what a refresh gives at .* live 900 s now' \
        "$(ctl jobs)"
    stop_renewd
}

single_use() { # STORE: thought to rotate, and no longer does
    local s=$1 now n
    stage "$s"
    now=$(date +%s)
    sim clock "{\"now\":$now}" > /dev/null
    make_accounts_table t
    load_accounts google t 1 first '"age":10800,"rotate":true'
    strict_job t t
    sed -i 's,/strict/token,/google/token,' "$DIR/conf.d/t.conf"
    round
    check_match "$s: it rotates" '^3[0-9]* 1 0$' "$(sql "select value from $(own facts) where name = 'granted:t'")"
    sql 'delete from t'
    load_accounts google t 4 few
    round
    check_equal "$s: a few that keep theirs are no change" 0 "$(said)"
    load_accounts google t 6 more
    round
    check_match "$s: five in a row are" 'job=t rotates_was=yes rotates=no' "$(grep "$SAYS" "$DIR/renewd.log")"
    check_equal "$s: said once" 1 "$(said)"
    round
    check_equal "$s: and not again" 0 "$(said)"
}

start_simulator
for store in sqlite postgresql; do
    lives "$store"
    single_use "$store"
done
no_tokens_in_logs
finish
