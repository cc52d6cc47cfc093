#!/bin/bash
# SPDX-License-Identifier: MIT
# An answer that nobody can read, with tokens in it, comes while the store does not answer, and renewd is killed: what came
# is on the spool, and set aside, sealed, when renewd and the store are there again. Both stores.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"

waits() { [ "$(ctl --json status | json '$.waiting_commits')" = 1 ]; }
kept() { sql "select count(*) from $(own kept) where kind = 'answer' and sealed like 'r1.test.%'"; }
kept_is() { [ "$(kept)" = "$1" ]; }
presented_is() { [ "$(sim_count strict presented)" = "$1" ]; }

lock_store() { # until its input ends
    if [ "$STORE" = sqlite ]; then
        coproc LOCKER { sqlite3 -batch -cmd '.timeout 10000' "$SQLITE_DB" 2>&1; }
        echo "begin immediate; select 'mine';" >&"${LOCKER[1]}"
    else
        coproc LOCKER { psql -XqAt -d "$DSN" 2>&1; }
        echo "begin; lock table renewd.attempts, renewd.kept; select 'mine';" >&"${LOCKER[1]}"
    fi
    read -r -u "${LOCKER[0]}" said
    check_equal "$1: the store is locked" mine "$said"
}

unlock_store() {
    echo "rollback;" >&"${LOCKER[1]}"
    exec {LOCKER[1]}>&-
    wait "$LOCKER_PID" 2> /dev/null
}

answer() { # STORE
    local s=$1 asked
    stage "$s"
    make_accounts_table tokens
    load_accounts strict tokens 1 a '"age":10800'
    strict_job tokens tokens
    sed -i 's/^schedule.*/schedule = "0 0 1 1 *";/' "$DIR/conf.d/tokens.conf"
    sim misbehave '{"clear":true}' > /dev/null
    sim misbehave '{"mode":"member","name":"refresh_token","value":"\"forged-\\ud800\"","ms":5000,"when":"after","provider":"strict","count":-1}' > /dev/null
    start_ready || exit 1
    ctl refresh tokens 1 > "$DIR/refresh.out" 2>&1 &
    asked=$!
    check "$s: the credential is presented" wait_until 20 presented_is 1
    lock_store "$s"
    check "$s: the answer waits for the store" wait_until 30 waits
    check_equal "$s: which does not have it" 0 "$([ "$s" = sqlite ] && kept || echo 0)"
    stop_renewd KILL
    wait $asked
    unlock_store
    check_equal "$s: renewd was killed before it could" 0 "$(kept)"
    start_ready || exit 1
    check "$s: the next one sets it aside, sealed" wait_until 30 kept_is 1
    check_equal "$s: as an answer of this record" a-1 "$(sql "select account from $(own records) r
        join $(own kept) k on k.rkey = r.rkey and k.source = r.source")"
    check_match "$s: with its reason" 'the answer is parked, sealed, for 30 days' "$(ctl show tokens 1)"
    check_equal "$s: nothing was presented again" 1 "$(sim_count strict presented)"
    stop_renewd
    check_equal "$s: nothing is left on the spool" 0 "$(spool_files)"
}

start_simulator
for store in sqlite postgresql; do
    answer $store
    sim misbehave '{"clear":true}' > /dev/null
done
no_tokens_in_logs
finish
