#!/bin/bash
# SPDX-License-Identifier: MIT
# What a reload means for a job that runs: a changed schedule counts from then on, and a second job on the same
# column of the same table, under whatever name, does not stop the first. A job that did not change goes on as if nothing
# had been; one whose secret changed does not. A large table is not waited for, and SIGHUP kills at no moment.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"

ticks() { sql "select count(*) from $(own runs) where trigger = 'tick'"; }
ticked() { [ "$(ticks)" = "$1" ]; }
noted_within() { [ "$(sql "select next_tick from $(own jobs)")" -lt $(($(date +%s) + $1)) ]; }
noted() { [ "$(sql "select next_tick from $(own jobs)")" -gt "$1" ]; }
scheduled() { sed -i "s|^schedule.*|schedule = \"$1\";|" "$DIR/conf.d/tokens.conf"; }
# Every hour, two minutes ago: such a tick lies before now and after the last one.
lately() { echo "$(date -u -d '2 minutes ago' +%-M) * * * *"; }
held() { ctl --json jobs | json "\$.jobs[$1].held"; }

schedule_changes() {
    local s="$1, schedule"
    stage "$1"
    make_accounts_table tokens
    load_accounts strict tokens 2 one '"age":60'
    strict_job tokens tokens
    scheduled '0 0 1 1 *'
    start_ready || exit 1
    check "$s: a new job waits for its first tick" wait_until 10 noted 0
    scheduled "$(lately)"
    check "$s: changed by reload" ctl reload
    check "$s: its next tick is noted" wait_until 10 noted_within 3700
    check_equal "$s: none was missed" 0 "$(ticks)"
    stop_renewd
    scheduled "$(lately | sed 's/ \*/ *\/2/')"
    start_ready || exit 1
    check_equal "$s: changed while down, none was missed" 0 "$(ticks)"
    stop_renewd
    scheduled "$(lately)"
    sql "update $(own jobs) set last_tick = last_tick - 40 * 86400, next_tick = last_tick - 39 * 86400"
    start_ready || exit 1
    check "$s: changed while down, one of the old ones was missed: it is made up" wait_until 10 ticked 1
    stop_renewd
    scheduled '0 0 1 1 *'
    sql "update $(own jobs) set next_tick = last_tick"
    start_ready || exit 1
    check "$s: and when the new schedule is rarer" wait_until 10 ticked 2
    stop_renewd
}

same_table_again() { # STORE FILE: before or after the other one
    local s="$1, the same table in $2.conf" name first=1
    stage "$1"
    make_accounts_table tokens
    load_accounts strict tokens 3 same
    strict_job middle tokens 'rescan = "1s";'
    start_ready || exit 1
    check "$s: the job runs" wait_until 20 compare_truth strict tokens
    name=public.tokens
    [ "$1" = postgresql ] || name=main.tokens
    strict_job "$2" "$name"
    [ "$2" = zweiter ] || first=0
    ctl reload > "$DIR/reload.out" 2>&1
    check_match "$s: the second is held, with the reason" 'job middle keeps the same column of the same table' \
        "$(held $first)"
    check_equal "$s: the first goes on" '' "$(held $((1 - first)))"
    load_accounts strict tokens 3 more
    check "$s: and refreshes what comes" wait_until 20 compare_truth strict tokens
    ctl reload > "$DIR/reload.out" 2>&1
    check_equal "$s: also after the next reload" '' "$(held $((1 - first)))"
    rm "$DIR/conf.d/middle.conf"
    ctl reload > "$DIR/reload.out" 2>&1
    check_equal "$s: the other runs when the first is gone" '' "$(held 0)"
    stop_renewd
}

discovered() { grep -c 'msg="records discovered"' "$DIR/renewd.all"; }
discovered_are() { [ "$(discovered)" = "$1" ]; }

unchanged() { # STORE
    local s="$1, unchanged" id before
    stage "$1"
    : > "$DIR/renewd.all"
    make_accounts_table tokens
    load_accounts strict tokens 3 keep '"age":60'
    export KEPT_SECRET=hush-kept
    printf hush-secret > "$DIR/secret"
    chmod 600 "$DIR/secret"
    strict_job tokens tokens
    sed -i "s,env:TEST_SECRET,file:$DIR/secret," "$DIR/conf.d/tokens.conf"
    make_accounts_table others
    strict_job others others
    start_ready || exit 1
    id=$(sql "select id from tokens where account = 'keep-1'")
    check_equal "$s: both tables were read" 2 "$(discovered)"
    before=$(ctl --json show tokens "$id")
    check_match "$s: a reload" 'loaded 0, unchanged 2, removed 0' "$(ctl reload)"
    check_equal "$s: a token is there at once" "$(sql "select access_token from tokens where id = $id")" \
        "$(ctl token tokens "$id")"
    check_equal "$s: the record is as it was" "$before" "$(ctl --json show tokens "$id")"
    sed -i 's/"auto"/[ "auto", "1 1 1 1 *" ]/' "$DIR/conf.d/others.conf"
    check_match "$s: one changes" 'loaded 1, unchanged 1, removed 0' "$(ctl reload)"
    check "$s: its table alone was read again" wait_until 10 discovered_are 3
    printf hush-other > "$DIR/secret"
    check_match "$s: a secret in a file changes" 'loaded 1, unchanged 1, removed 0' "$(ctl reload)"
    check "$s: and its job alone is new" wait_until 10 discovered_are 4
    stop_renewd
}

# A table that takes long to read; how long does not matter here: it is not read when a reload is answered.
large() { # STORE
    local s="$1, large" at
    at=$(($(date +%s) + 864000))
    stage "$1"
    make_accounts_table tokens
    if [ "$1" = sqlite ]; then
        sql "with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000)
             insert into tokens (account, access_token, refresh_token, expires_at) select 'a-' || i, 'at', 'rt-' || i, $at from n"
    else
        sql "insert into tokens (account, access_token, refresh_token, expires_at)
             select 'a-' || i, 'at', 'rt-' || i, to_timestamp($at) from generate_series(1, 20000) i"
    fi
    strict_job tokens tokens
    start_renewd || exit 1
    check "$s: it is read" wait_until 120 daemon_is_ready
    check_match "$s: a reload leaves it alone" 'unchanged 1' "$(ctl reload)"
    check_equal "$s: it was read once" 1 "$(grep -c 'msg="records discovered".*rows=20000' "$DIR/renewd.all")"
    stop_renewd
}

# A thousand jobs take a while to be read, before anybody waits for signals.
early_signal() {
    local s="a signal before all" i pid status
    stage sqlite
    make_accounts_table tokens
    strict_job job-0 tokens
    for ((i = 1; i < 1000; i++)); do
        sed "s/\"job-0\"/\"job-$i\"/; s/table = \"tokens\"/table = \"t$i\"/" "$DIR/conf.d/job-0.conf" > "$DIR/conf.d/job-$i.conf"
    done
    "$RENEWD" -c "$CONF" --check > "$DIR/check.out" 2>&1 &
    pid=$!
    wait_until 20 ignores_pipes "$pid"
    kill -HUP "$pid"
    wait "$pid"
    status=$?
    check_equal "$s: does not kill" 0 "$status"
    check_match "$s: the work is done" '1000 jobs, no mistakes' "$(cat "$DIR/check.out")"
}

# In main, and at its beginning: SIGPIPE is the 13th.
ignores_pipes() { (((0x$(sed -n 's/^SigIgn:[[:space:]]*//p' "/proc/$1/status") >> 12) & 1)); }

start_simulator
early_signal
for store in sqlite postgresql; do
    schedule_changes $store
    same_table_again $store zweiter
    same_table_again $store ander
    unchanged $store
    large $store
done
finish
