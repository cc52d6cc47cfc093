#!/bin/bash
# SPDX-License-Identifier: MIT
# Several processes on one database: two hosts, or two processes of one host, share the work and present
# nothing twice. A host that goes away in the middle of its attempts, for good or for a while: what it
# attempted is its own until the last safe moment or until it is forgotten, and what it brings late is stored,
# set aside, or noted in the history alone.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"

ROUNDS=${ROUNDS:-8}
SECOND_PID=''
trap 'ended_with=$?; stop_process "$SECOND_PID"; (exit $ended_with); cleanup' EXIT

# second COMMAND...: as another host on the same database, with the same jobs.
second() {
    if [ ! -d "$DIR/state2" ]; then
        sed -e 's/state_dir = "state"/state_dir = "state2"/' -e "s|socket = \"[^\"]*|socket = \"$DIR/second.sock|" \
            "$CONF" > "$DIR/second.conf"
        mkdir -m 700 "$DIR/state2"
    fi
    CONF=$DIR/second.conf SOCKET=$DIR/second.sock "$@"
}

# begin STORE COUNT [MORE [ACCOUNTS]]: accounts whose access tokens live a day; NOW is a time when all are
# due, END when those tokens end.
begin() {
    stage "$1"
    rm -rf "$DIR/state2"
    make_accounts_table tokens
    NOW=$(date +%s)
    sim clock "{\"now\":$NOW}" > /dev/null
    load_accounts strict tokens "$2" host "\"age\":0,\"expires_in\":86400${4:-}"
    END=$((NOW + 86400))
    NOW=$((END - 43200))
    strict_job tokens tokens "refresh_before = \"12h\"; ${3:-}"
}

once_at() { # TIME
    sim clock "{\"now\":$1}" > /dev/null
    run_at_time "$1" --once
}

# looks_at TIME: finds what is under way elsewhere, and is ended there: --once would wait for the leases to end.
looks_at() {
    sim clock "{\"now\":$1}" > /dev/null
    clock_exec "$1" "$RENEWD" -c "$CONF" --once > "$DIR/renewd.log" 2>&1 &
    SECOND_PID=$!
    check "$s: a run looks" wait_until 30 grep -q 'run finished' "$DIR/renewd.log"
    stop_process "$SECOND_PID"
    SECOND_PID=''
    cat "$DIR/renewd.log" >> "$DIR/renewd.all"
}

presented_is() { [ "$(strict_sum presented)" = "$1" ]; }
attempts_of() { sql "select count(*) from $(own attempts) where host = '$(cat "$DIR/$1/host")'"; }

# --- together --------------------------------------------------------------------------------------

# Both at once, round after round; every other round the second is another process of the first's host.
together() { # STORE
    local s="$1, together" round bad='' pid
    begin "$1" 100 'in_flight = 4;'
    sim misbehave '{"mode":"delay","provider":"strict","ms":5,"count":-1}' > /dev/null
    for ((round = 0; round < ROUNDS; round++)); do
        sim clock "{\"now\":$NOW}" > /dev/null
        clock_exec $NOW "$RENEWD" -c "$CONF" --once >> "$DIR/renewd.all" 2>&1 &
        pid=$!
        if [ $((round % 2)) = 0 ]; then second run_at_time $NOW --once; else run_at_time $NOW --once; fi ||
            bad="$bad $round: $(grep -v level=info "$DIR/renewd.log" | tail -n 3)"
        wait $pid || bad="$bad $round"
        NOW=$((NOW + 86400))
    done
    check_equal "$s: all rounds succeed" '' "$bad"
    check "$s: truth and table agree" compare_truth strict tokens host
    check_equal "$s: each rotated once a round, no more" "$((100 * ROUNDS))|$((100 * ROUNDS))" \
        "$(strict_sum ok)|$(strict_sum presented)"
    check_equal "$s: no reuse" 0 "$(strict_sum reuse)"
    check_equal "$s: no refresh token was presented twice" '' "$(presented_twice)"
    check_equal "$s: both hosts had a part in it" "yes|yes" "$(sql "select distinct
        case when $(attempts_of state) > 0 then 'yes' else 'no' end,
        case when $(attempts_of state2) > 0 then 'yes' else 'no' end from $(own jobs)")"
    check_equal "$s: nothing is left on the spool" 0 "$(spool_files)"
    sim misbehave '{"clear":true}' > /dev/null
}

# What another's claim has locked is neither had nor left over before that transaction ends, however slow it is.
# PostgreSQL alone has locks that a claim passes by.
locked() { # postgresql
    local s="$1, locked" status
    begin "$1" 5
    check "$s: a run knows the records" once_at "$(date +%s)"
    mkfifo "$DIR/lock.in"
    psql -XqAt -d "$DSN" < "$DIR/lock.in" > "$DIR/locked" 2>&1 &
    SECOND_PID=$!
    exec 7> "$DIR/lock.in"
    echo "begin; select 'locked ' || rkey from $(own records) for update;" >&7
    check "$s: another transaction holds them" wait_until 60 grep -q locked "$DIR/locked"
    sim clock "{\"now\":$NOW}" > /dev/null
    clock_exec "$NOW" "$RENEWD" -c "$CONF" --once > "$DIR/renewd.log" 2>&1 7>&- &
    RENEWD_PID=$!
    check "$s: --once says that it asks again" wait_until 60 grep -q 'due is locked by another' "$DIR/renewd.log"
    # What it would have given up after: two looks, a second apart.
    check_fails "$s: and does" wait_until 4 grep -q 'run finished' "$DIR/renewd.log"
    exec 7>&-
    wait "$RENEWD_PID"
    status=$?
    RENEWD_PID=''
    stop_process "$SECOND_PID"
    SECOND_PID=''
    check_equal "$s: once it has them, all is well" 0 "$status"
    check_match "$s: all are refreshed" '^tokens: 5 due, 5 refreshed, 0 failed' "$(cat "$DIR/renewd.log")"
    cat "$DIR/renewd.log" >> "$DIR/renewd.all"
}

# --- gone ------------------------------------------------------------------------------------------

# The first host dies with its requests under way; the provider has not seen to them.
die_in_flight() { # COUNT
    sim misbehave '{"mode":"delay","provider":"strict","count":-1,"ms":20000,"process":false}' > /dev/null
    sim clock "{\"now\":$NOW}" > /dev/null
    clock_exec $NOW "$RENEWD" -c "$CONF" --once >> "$DIR/renewd.all" 2>&1 &
    RENEWD_PID=$!
    check "$s: requests are under way" wait_until 20 presented_is "$1"
    stop_renewd KILL
    sim misbehave '{"clear":true}' > /dev/null
}

leases_ended() { # SECONDS AGO
    local now="cast(strftime('%s', 'now') as integer)"
    [ "$STORE" = sqlite ] || now='floor(extract(epoch from clock_timestamp()))::bigint'
    sql "update $(own credentials) set lease_until = $now - $1 where lease_until is not null"
}

gone() { # STORE
    local s="$1, gone" after
    begin "$1" 2
    die_in_flight 2
    second looks_at $((NOW + 60))
    leases_ended 700
    for after in 900 36000 42000; do
        second once_at $((NOW + after))
    done
    check_equal "$s: what it attempted is its own while the access tokens live" "2|1" \
        "$(strict_sum presented)|$(sql "select distinct state from $(own records)")"
    leases_ended 500
    second once_at $((END - 299))
    check_equal "$s: and ten minutes beyond its lease" 2 "$(strict_sum presented)"
    leases_ended 601
    check "$s: at the last safe moment another host takes it up" second once_at $((END - 299))
    check_match "$s: and says so" 'ended without a result; its credential may be spent' "$(cat "$DIR/renewd.log")"
    check_equal "$s: each is presented once more" 4 "$(strict_sum presented)"
    check "$s: truth and table agree" compare_truth strict tokens host
    check_equal "$s: the history has both" "ambiguous|2,ok|2" "$(sql "select outcome, count(*)
        from $(own attempts) group by outcome order by 1" | tr '\n' ',' | sed 's/,$//')"
    check "$s: the first comes back and finds nothing to do" once_at $((END - 200))
    check_equal "$s: it presents nothing" "4|0" "$(strict_sum presented)|$(strict_sum reuse)"
    check_equal "$s: nothing is left on its spool" 0 "$(spool_files)"
}

# What `safe` attempts is anybody's when the lease is over.
gone_safe() { # STORE
    local s="$1, gone, safe"
    begin "$1" 2 'replay = "safe";'
    die_in_flight 2
    second looks_at $((NOW + 60))
    check_equal "$s: while the lease lasts nobody presents it" 2 "$(strict_sum presented)"
    leases_ended 1
    check "$s: then another host does" second once_at $((NOW + 300))
    check "$s: truth and table agree" compare_truth strict tokens host
}

ambiguous_all() { [ "$(sql "select count(*) from $(own records) where state = 6")" = 2 ]; }

forgotten() { # STORE
    local s="$1, forgotten" first
    begin "$1" 2
    die_in_flight 2
    leases_ended 1
    first=$(cat "$DIR/state/host")
    second start_ready || exit 1
    SECOND_PID=$RENEWD_PID RENEWD_PID=''
    check_match "$s: the hosts are listed" "^$first .*alive.* 2\$" "$(second ctl forget-host)"
    check_match "$s: this one is told apart" "^$(cat "$DIR/state2/host") .*this one" "$(second ctl forget-host)"
    check_match "$s: a host that lives is not forgotten" 'the host is running: its last heartbeat is' \
        "$(second ctl forget-host "$first" 2>&1)"
    check_match "$s: nor the one that answers" 'the host that answers here' \
        "$(second ctl forget-host "$(cat "$DIR/state2/host")" 2>&1)"
    check_match "$s: nor one that nobody knows" 'no host of that id or name' "$(second ctl forget-host x 2>&1)"
    check_match "$s: nor one of two of a name" 'several hosts have that name' \
        "$(second ctl forget-host "$(uname -n)" 2>&1)"
    sql "update $(own hosts) set beat_at = beat_at - 100 where id = '$first'"
    check_match "$s: it is silent" "^$first .*silent" "$(second ctl forget-host)"
    check_equal "$s: which alone changes nothing" 1 "$(sql "select distinct state from $(own records)")"
    check "$s: it is forgotten" second ctl forget-host "$first"
    check "$s: then its attempts count as without an answer" wait_until 20 ambiguous_all
    check_equal "$s: to be presented at the last safe moment" $((END - 300)) \
        "$(sql "select distinct not_before from $(own records)")"
    check_no_match "$s: it is listed no more" "$first" "$(second ctl forget-host)"
    stop_process "$SECOND_PID"
    SECOND_PID=''
    second once_at $((END - 900))
    check_equal "$s: not before" 2 "$(strict_sum presented)"
    check "$s: then it is" second once_at $((END - 300))
    check_equal "$s: once" 4 "$(strict_sum presented)"
    check "$s: the host comes back" once_at $((END - 200))
    check_equal "$s: and presents nothing" 4 "$(strict_sum presented)"
}

# --- away for a while ------------------------------------------------------------------------------

# stopped MISBEHAVIOUR: the first host is stopped while its two requests are answered.
stopped() {
    sim misbehave "$1" > /dev/null
    sim clock "{\"now\":$NOW}" > /dev/null
    clock_exec $NOW "$RENEWD" -c "$CONF" --once >> "$DIR/first.out" 2>&1 &
    RENEWD_PID=$!
    check "$s: requests are under way" wait_until 20 presented_is 2
    kill -STOP "$RENEWD_PID"
    sim misbehave '{"clear":true}' > /dev/null
    leases_ended 700
}

awake() {
    kill -CONT "$RENEWD_PID"
    wait "$RENEWD_PID"
    RENEWD_PID=''
}

DELAYED='{"mode":"delay","provider":"strict","count":2,"ms":1500,"when":"after"}'

woken_alone() { # STORE
    local s="$1, woken"
    begin "$1" 2
    stopped "$DELAYED"
    second once_at $((NOW + 900))
    awake
    check "$s: its late result is stored" compare_truth strict tokens host
    check_equal "$s: each was presented once" 2 "$(strict_sum presented)"
    check_equal "$s: no lease is left" 0 "$(sql "select count(*) from $(own credentials) where lease_until > 0")"
}

woken_too_late() { # STORE
    local s="$1, woken too late" tokens
    begin "$1" 2 'replay = "grace:0";' ',"grace":600000'
    sql 'create table copy as select * from tokens'
    stopped "$DELAYED"
    second once_at $((END - 300)) # notes what is missing; a second later it is presented
    check "$s: another host was quicker" second once_at $((END - 298))
    tokens=$(sql 'select id, access_token, refresh_token from tokens order by 1')
    awake
    check_equal "$s: its late result does not replace the newer one" "$tokens" \
        "$(sql 'select id, access_token, refresh_token from tokens order by 1')"
    check "$s: that lives" compare_truth strict tokens host
    check_equal "$s: it is set aside" "orphan|2" "$(sql "select kind, count(*) from $(own kept) group by kind")"
    sql 'update tokens set refresh_token = (select refresh_token from copy where copy.id = tokens.id)'
    once_at $((END - 200))
    check_equal "$s: and is not what an old copy that is saved becomes" "$tokens" \
        "$(sql 'select id, access_token, refresh_token from tokens order by 1')"
}

woken_with_a_failure() { # STORE
    local s="$1, woken with a failure"
    begin "$1" 2 'replay = "grace:0";'
    stopped '{"mode":"status","provider":"strict","count":2,"ms":1500,"status":400,"body":"{\"error\":\"invalid_grant\"}"}'
    second once_at $((END - 300)) # notes what is missing; a second later it is presented
    check "$s: another host was quicker" second once_at $((END - 298))
    awake
    check_equal "$s: what it heard goes into the history alone" "1|0|0" "$(sql "select distinct r.state, r.attempts,
        c.dead from $(own records) r join $(own credentials) c on c.fingerprint = r.fingerprint")"
    check_equal "$s: there it is" 2 "$(history reconnect)"
    check "$s: truth and table agree" compare_truth strict tokens host
}

start_simulator
for store in sqlite postgresql; do
    together $store
    gone $store
    forgotten $store
    woken_alone $store
    woken_too_late $store
    woken_with_a_failure $store
done
gone_safe sqlite
locked postgresql
no_tokens_in_logs
finish
