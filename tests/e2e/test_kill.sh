#!/bin/bash
# SPDX-License-Identifier: MIT
# kill -9 at any instant, at a provider that rotates and punishes reuse. First at one that is known: the
# new credentials are on the spool and the database cannot take them. Then the daemon at 10 random
# instants, then --once. In the end every credential whose spool write had returned is the one in the
# database; where it had not, nobody can know, and the record says so and is not presented again at once.
# SEED repeats a run's instants.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"

SEED=${SEED:-$RANDOM}
RANDOM=$SEED
echo "# SEED=$SEED"
KILLS=${KILLS:-10}

# Tests say `schedule = "auto"` where a tick could come in between.
auto() { # JOB TABLE MORE
    # Killed as often as here, accounts do lose their grants: their job goes on.
    strict_job "$1" "$2" "$3 breaker = { records = 1000; };"
    sed -i 's/^schedule.*/schedule = "auto";/' "$DIR/conf.d/$1.conf"
}

# --- the spool has it, the store does not ----------------------------------------------------------

# Nobody can write until unlock_store: a transaction of somebody else's holds the table.
lock_store() { # TABLE
    rm -f "$DIR/lock.in"
    mkfifo "$DIR/lock.in"
    if [ "$STORE" = sqlite ]; then
        sqlite3 -batch -cmd '.timeout 10000' "$SQLITE_DB" < "$DIR/lock.in" > "$DIR/lock.out" 2>&1 &
    else
        psql -XqAt -d "$DSN" < "$DIR/lock.in" > "$DIR/lock.out" 2>&1 &
    fi
    LOCK_PID=$!
    exec 7> "$DIR/lock.in"
    if [ "$STORE" = sqlite ]; then
        printf 'begin immediate;\nselect %s;\n' "'locked'" >&7
    else
        printf 'begin; lock table "%s" in access exclusive mode;\nselect %s;\n' "$1" "'locked'" >&7
    fi
    wait_until 10 grep -q locked "$DIR/lock.out"
}

unlock_store() {
    exec 7>&-
    wait "$LOCK_PID"
}

presented_all() { [ "$(sim_count strict presented)" = 20 ]; }
answered_all() { [ "$(sim_count strict ok)" = 20 ]; }
commits_wait() { [ "$(ctl --json status | json '$.waiting_commits')" = 20 ]; }
no_commits_wait() { [ "$(sql "select count(*) from $(own attempts) where outcome = 'ok'")" = 20 ]; }

known_instant() { # STORE
    local s="$1, known instant"
    stage "$1"
    make_accounts_table tokens
    load_accounts strict tokens 20 spool
    auto tokens tokens 'in_flight = 50;'
    sim misbehave '{"mode":"delay","provider":"strict","ms":1000,"when":"before","count":-1}' > /dev/null
    start_ready || exit 1
    check "$s: 20 requests are under way" wait_until 20 presented_all
    lock_store tokens || not_ok "$s: the store is locked meanwhile" "$(cat "$DIR/lock.out")"
    check "$s: the provider has answered them all" wait_until 20 answered_all
    check "$s: 20 results wait for the store" wait_until 20 commits_wait
    stop_renewd KILL
    unlock_store
    check_equal "$s: the database has none of them" 0 "$(history ok)"
    sim misbehave '{"clear":true}' > /dev/null
    sim mark '{}' > /dev/null
    start_ready || exit 1
    check "$s: the next process commits what the spool has" wait_until 20 no_commits_wait
    check "$s: truth and table agree on every account" compare_truth strict tokens spool
    check_equal "$s: nothing was presented for that" 0 "$(sim_count strict presented)"
    check_equal "$s: nothing is ambiguous" 0 "$(history ambiguous)"
    stop_renewd
    check_equal "$s: the spool is empty in the end" 0 "$(spool_files)"
}

# Killed while the requests are under way: nobody knows, so all are ambiguous and none goes out again.
in_flight() { # STORE
    local s="$1, in flight"
    stage "$1"
    make_accounts_table tokens
    load_accounts strict tokens 20 sent
    auto tokens tokens 'in_flight = 50;'
    sim misbehave '{"mode":"delay","provider":"strict","ms":1500,"when":"before","count":-1}' > /dev/null
    start_ready || exit 1
    check "$s: 20 requests are under way" wait_until 20 presented_all
    stop_renewd KILL
    # A process that does not keep this job must not take its attempts for settled.
    mv "$DIR/conf.d/tokens.conf" "$DIR/tokens.conf"
    start_ready || exit 1
    stop_renewd
    mv "$DIR/tokens.conf" "$DIR/conf.d/tokens.conf"
    start_ready || exit 1
    check_equal "$s: all are ambiguous before anything else" 20 \
        "$(sql "select count(*) from $(own records) where state = 6")"
    check_equal "$s: the history says why" "20|interrupted" \
        "$(sql "select count(*), min(code) from $(own attempts) where outcome = 'ambiguous'")"
    check_fails "$s: a run presents nothing" ctl_run_presents
    stop_renewd
    check_equal "$s: each was presented once" 20 "$(strict_sum presented)"
    check_equal "$s: none twice" '' "$(presented_twice)"
}

ctl_run_presents() {
    local before
    before=$(strict_sum presented)
    ctl run tokens > /dev/null
    [ "$(strict_sum presented)" != "$before" ]
}

# --- random instants -------------------------------------------------------------------------------

nap() { # MILLISECONDS
    sleep "$(printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)))"
}

# A wait before or after the provider processes, in two of three rounds, so that kills hit every phase.
misbehave_for() { # ROUND
    sim misbehave '{"clear":true}' > /dev/null
    case $(($1 % 3)) in
        1) sim misbehave '{"mode":"delay","provider":"strict","ms":60,"when":"before","count":-1}' > /dev/null ;;
        2) sim misbehave '{"mode":"delay","provider":"strict","ms":60,"when":"after","count":-1}' > /dev/null ;;
    esac
}

# What may differ: an account of which an attempt ended without an answer, whose record says so.
differences() { # PREFIX: prints account and state of those that differ
    sql_tsv "select t.account, t.refresh_token, r.state,
             (select count(*) from $(own attempts) a
              where a.source = r.source and a.rkey = r.rkey and a.outcome = 'ambiguous')
         from tokens t join $(own records) r on r.rkey = cast(t.id as text)" | sort > "$DIR/table.tsv"
    sim_get 'accounts?provider=strict&format=tsv' | awk -F '\t' -v p="$1" 'index($1, p) == 1' | sort |
        cut -f 1,3,6 > "$DIR/truth.tsv"
    join -t $'\t' "$DIR/table.tsv" "$DIR/truth.tsv" | awk -F '\t' '$2 != $5 { print $1, $3, $4, $6 }'
}

settled() {
    [ "$(sql "select count(*) from $(own records) where ok_at = 0 and state not in (4, 6)")" = 0 ] &&
        [ "$(sql "select count(*) from $(own records)")" = "$1" ]
}

judge() { # NAME: what every end must show
    local s=$1 differing wrong
    differing=$(differences kill)
    wrong=$(printf '%s\n' "$differing" | awk 'NF && !(($2 == 6 || $2 == 4) && $3 > 0)')
    check_equal "$s: where truth and table differ, the record is ambiguous or reconnect" '' "$wrong"
    # A reuse is the one last try that is documented: never more than attempts without an answer, and where
    # that try was killed too, fewer.
    sim_get 'accounts?provider=strict&format=tsv' | sort | cut -f 1,6 > "$DIR/reuse.tsv"
    wrong=$(join -t $'\t' "$DIR/table.tsv" "$DIR/reuse.tsv" | awk -F '\t' '
        $5 > 0 && !(($3 == 4 && $5 <= $4) || ($3 == 6 && $5 < $4))')
    check_equal "$s: no credential was presented again by surprise" '' "$wrong"
    echo "# $s: $(printf '%s' "$differing" | grep -c .) of $(wc -l < "$DIR/table.tsv") accounts differ," \
        "$(history ambiguous) attempts ended without an answer, reuse $(strict_sum reuse)," \
        "$(sql "select count(*) from $(own records) where state = 4") to reconnect"
}

random_daemon() { # STORE
    local s="$1, daemon" round total=0
    stage "$1"
    make_accounts_table tokens
    auto tokens tokens 'in_flight = 10;'
    for ((round = 0; round < KILLS; round++)); do
        load_accounts strict tokens 30 "kill$round"
        total=$((total + 30))
        misbehave_for "$round"
        "$RENEWD" -c "$CONF" >> "$DIR/renewd.all" 2>&1 &
        RENEWD_PID=$!
        nap $((10 + RANDOM % 400))
        stop_renewd KILL
    done
    sim misbehave '{"clear":true}' > /dev/null
    start_ready || exit 1
    check "$s: after $KILLS kills everything is settled" wait_until 30 settled "$total"
    stop_renewd
    check_equal "$s: no reuse" 0 "$(strict_sum reuse)"
    check_equal "$s: no refresh token was presented twice" '' "$(presented_twice)"
    check_equal "$s: nothing is left on the spool" 0 "$(spool_files)"
    judge "$s"
}

random_once() { # STORE: goes on with the same accounts: each round all of them rotate
    local s="$1, --once" round now
    now=$(date +%s)
    for ((round = 0; round < KILLS; round++)); do
        now=$((now + 3600))
        sim clock "{\"now\":$now}" > /dev/null
        misbehave_for $round
        clock_exec $now "$RENEWD" -c "$CONF" --once >> "$DIR/renewd.all" 2>&1 &
        RENEWD_PID=$!
        nap $((10 + RANDOM % 500))
        stop_renewd KILL
    done
    now=$((now + 3600))
    sim clock "{\"now\":$now}" > /dev/null
    run_at_time $now --once
    check_equal "$s: nothing is left on the spool" 0 "$(spool_files)"
    judge "$s"
    check_equal "$s: all that live are refreshed" 0 \
        "$(sql "select count(*) from $(own records) where state <> 4 and ok_at < $now and state <> 6")"
}

start_simulator
for store in sqlite postgresql; do
    known_instant $store
    in_flight $store
    random_daemon $store
    random_once $store
done
no_tokens_in_logs
finish
