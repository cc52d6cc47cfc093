#!/bin/bash
# SPDX-License-Identifier: MIT
# History older than 90 days goes, more than one batch of it, and nothing younger: also spent credentials that no
# record holds. What a lease or a pair that was set aside still names, the ledger, and what is known of dead
# credentials stay. Both stores.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"

# rows AGE: of each kind, some that old; 1,200 attempts.
aged() { # DAYS PREFIX
    local at=$((now - $1 * 86400)) i
    {
        echo "begin;"
        for ((i = 0; i < 1200; i++)); do
            echo "insert into $(own attempts) (attempt_id, run_id, job, source, rkey, outcome, started_at, finished_at)
                  values ('$2$i', 1, 'tokens', 'x', '$i', 'ok', $at, $at);"
        done
        echo "insert into $(own runs) (job, started_at) values ('$2', $at), ('$2', $at);
              insert into $(own requests) (job, run_id, created_at, taken_at) values ('$2', 1, $at, $at);
              insert into $(own hosts) (id, incarnation, started_at, beat_at) values ('$2', '$2', $at, $at), ('$2', '$2-leased', $at, $at);
              insert into $(own ledger) (job, key, created_at) values ('tokens', '$2', $at);
              insert into $(own credentials) (fingerprint, successor, dead, created_at, replaced_at)
              select '$2-spent-' || attempt_id, 'next', 0, $at, $at from $(own attempts) where attempt_id like '$2%';
              insert into $(own credentials) (fingerprint, successor, dead, created_at, replaced_at) values
              ('$2-stale', 'next', 0, $at, $at), ('$2-dead', 'next', 1, $at, $at), ('$2-newest', '$2-newest', 0, $at, $at);
              insert into $(own records) (source, rkey, job, state, fingerprint) values ('x', '$2', 'x', 0, '$2-stale');
              insert into $(own credentials) (fingerprint, lease_host, lease_incarnation, attempt_id, lease_until, created_at)
              values ('$2-leased', '$2', '$2-leased', '${2}0', $at, $at);
              insert into $(own kept) (attempt_id, kind, sealed, created_at, retry_at) values ('${2}1', 'pending', '', $at, $((now + 1000000000)));
              commit;"
    } > "$DIR/aged.sql"
    sql_file "$DIR/aged.sql"
}

count() { sql "select count(*) from $(own "$1") where $2"; } # TABLE CONDITION
spent_is() { [ "$(count credentials "fingerprint like 'old-spent%'")" = "$1" ]; }
left_is() { [ "$(count attempts "attempt_id like 'old%'")" = "$1" ]; }

history_of() { # STORE
    local s=$1 now
    stage "$s"
    now=$(date +%s)
    make_accounts_table tokens
    load_accounts strict tokens 2 a
    strict_job tokens tokens
    check "$s: a first --once" run_renewd --once
    aged 91 old
    aged 89 new
    start_renewd
    check "$s: old attempts go, but those that are still named" wait_until 30 left_is 2
    check_equal "$s: and they are those" 'old0|old1' "$(sql "select min(attempt_id), max(attempt_id) from $(own attempts) where attempt_id like 'old%'")"
    check_equal "$s: the runs and requests went" '0 0' "$(count runs "job = 'old'") $(count requests "job = 'old'")"
    check_equal "$s: the host went, not the one with a lease" old-leased "$(sql "select incarnation from $(own hosts) where id = 'old'")"
    check_equal "$s: the younger stand" '1200 2 1 2' "$(count attempts "attempt_id like 'new%'") \
$(count runs "job = 'new'") $(count requests "job = 'new'") $(count hosts "id = 'new'")"
    check "$s: spent credentials go" wait_until 30 spent_is 0
    check_equal "$s: the younger spent ones stand" 1200 "$(count credentials "fingerprint like 'new-spent%'")"
    check_equal "$s: the ledger, and credentials that are held, dead or the newest, stand" '2 3 3' \
        "$(count ledger "job = 'tokens'") $(count credentials "fingerprint in ('old-stale', 'old-dead', 'old-newest')") \
$(count credentials "fingerprint in ('new-stale', 'new-dead', 'new-newest')")"
    stop_renewd
    sim clock "{\"now\":$((now + 366 * 86400))}" > /dev/null
    check "$s: a rehearsal of next year" run_renewd --once --at $((now + 366 * 86400))
    check_equal "$s: removes no history" 1200 "$(count attempts "attempt_id like 'new%'")"
    aged 92 older
    check "$s: --once that finds little to do" run_renewd --once
    check_equal "$s: removes more than a batch, too" 'older0|older1' \
        "$(sql "select min(attempt_id), max(attempt_id) from $(own attempts) where attempt_id like 'older%'")"
    check "$s: each account has its tokens" compare_truth strict tokens
}

start_simulator
history_of sqlite
history_of postgresql
no_tokens_in_logs
finish
