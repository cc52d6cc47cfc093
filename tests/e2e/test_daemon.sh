#!/bin/bash
# SPDX-License-Identifier: MIT
# The daemon and renewctl: every command, its exit status and its JSON; pause over a restart, reload,
# signals, a missed tick; renewd --check.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"

TIME='^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$'

# Ticks at New Year alone: no run begins by itself while this test runs. MORE is appended.
yearly() { # JOB TABLE [MORE]
    strict_job "$1" "$2" "${3:-}"
    sed -i 's/^schedule.*/schedule = "0 0 1 1 *";/' "$DIR/conf.d/$1.conf"
}

status_of() { # COMMAND...: its exit status
    "$@" > "$DIR/out" 2>&1
    echo $?
}

member() { # JSON-PATH COMMAND...: of the document that it prints
    local path=$1
    shift
    "$@" 2> /dev/null | json "$path"
}

members() { # the names in an object, sorted
    cat > "$DIR/json.in"
    sqlite3 -batch -noheader :memory: "select group_concat(key, ' ') from
        (select key from json_each(cast(readfile('$DIR/json.in') as text), '$1') order by key)"
}

commands() { # STORE
    local s=$1 id
    check_equal "$s: status without a daemon" 69 "$(status_of ctl status)"
    check_equal "$s: run without a daemon" 69 "$(status_of ctl --json run t)"
    start_ready || exit 1

    check_equal "$s: status" 0 "$(status_of ctl status)"
    check_match "$s: status tells the store" "$s, up" "$(cat "$DIR/out")"
    check_equal "$s: status as JSON" "$s|1|1|0|0|0" "$(member '$.store.driver' ctl --json status)|$(
        member '$.store.up' ctl --json status)|$(member '$.jobs' ctl --json status)|$(
        member '$.held' ctl --json status)|$(member '$.paused' ctl --json status)|$(
        member '$.in_flight' ctl --json status)"
    check_equal "$s: jobs as JSON" "t|oauth2|4" "$(member '$.jobs[0].job' ctl --json jobs)|$(
        member '$.jobs[0].plugin' ctl --json jobs)|$(member '$.jobs[0].records.all' ctl --json jobs)"

    sim revoke '{"provider":"strict","account":"d-4"}' > /dev/null
    check_equal "$s: a run in which one fails exits 1" 1 "$(status_of ctl run t)"
    check_match "$s: it prints what was refreshed" 'refreshed 3, failed 1' "$(cat "$DIR/out")"
    check_match "$s: and each failure" '4 +reconnect +invalid_grant' "$(cat "$DIR/out")"
    check_equal "$s: a second run has nothing to do" 0 "$(status_of ctl run t)"
    check_match "$s: and says so" 'refreshed 0, failed 0' "$(cat "$DIR/out")"
    check_equal "$s: an unknown job" 1 "$(status_of ctl run nothing)"
    check_match "$s: is named" 'nothing' "$(cat "$DIR/out")"
    check_equal "$s: run without a job is wrong usage" 2 "$(status_of ctl run)"

    check_equal "$s: runs" 0 "$(status_of ctl runs t)"
    check_match "$s: are listed" ' t +run ' "$(cat "$DIR/out")"
    check_equal "$s: a run as JSON" "due failed finished_at id job refreshed skipped started_at status trigger" \
        "$(ctl --json runs t | members '$.runs[1]')"
    check_equal "$s: with what happened" "text|run|4|3|1|0" "$(ctl --json runs t > "$DIR/runs.json"
        cat "$DIR/runs.json" > "$DIR/json.in"; sqlite3 :memory: "select json_type(r, '\$.id'),
        r->>'trigger', r->>'due', r->>'refreshed', r->>'failed', r->>'skipped'
        from (select json_extract(cast(readfile('$DIR/json.in') as text), '\$.runs[1]') r)")"
    check_match "$s: times are RFC 3339" "$TIME" "$(json '$.runs[1].finished_at' < "$DIR/runs.json")"

    check_equal "$s: records of a state" "4" "$(member '$.records[0].id' ctl --json records t --state reconnect)"
    check_equal "$s: one of them" 1 "$(ctl --json records t --state reconnect | members '$.records' | wc -w)"
    check_equal "$s: all" 4 "$(ctl --json records | members '$.records' | wc -w)"
    check_equal "$s: an unknown state" 2 "$(status_of ctl records t --state good)"
    check_equal "$s: show" 0 "$(status_of ctl show t 4)"
    check_match "$s: show tells what to do" 'connect' "$(cat "$DIR/out")"
    check_equal "$s: a record as JSON" \
        "account attempts expires_at generation id job last_error next_at owner refreshed_at state" \
        "$(ctl --json show t 1 | members '$')"
    check_equal "$s: ids are texts, no error is null" "text|null|ok|1|0" "$(ctl --json show t 1 > "$DIR/json.in"
        sqlite3 :memory: "select json_type(r, '\$.id'), json_type(r, '\$.last_error'), r->>'state',
        r->>'generation', r->>'attempts' from (select cast(readfile('$DIR/json.in') as text) r)")"
    check_equal "$s: the last error" "at code outcome text" "$(ctl --json show t 4 | members '$.last_error')"
    check_equal "$s: an unknown record" 1 "$(status_of ctl show t 99)"

    sim mark '{}' > /dev/null
    check_equal "$s: refresh of one record" 0 "$(status_of ctl refresh t 1)"
    check_equal "$s: presents it" 1 "$(sim_count strict ok)"
    check_equal "$s: refresh of a dead one exits 1" 1 "$(status_of ctl refresh t 4)"
    check_equal "$s: as JSON" "1|reconnect" "$(member '$.failed' ctl --json refresh t 4)|$(
        member '$.failures[0].outcome' ctl --json refresh t 4)"
    check_equal "$s: refresh of an unknown one exits 1" 1 "$(status_of ctl refresh t 99)"
    check_match "$s: and names it" 'job t has no record 99' "$(cat "$DIR/out")"
    check_equal "$s: and leaves no run behind" '4|1' "$(sql "select rkey, (select due from $(own runs) order by id desc limit 1)
        from $(own attempts) where run_id = (select max(id) from $(own runs))")"
    id=$(ctl --json status | json '$.host')
    check_match "$s: next needs no daemon" '2026-11-22T00:00:00Z' \
        "$("$RENEWCTL" -s /nowhere --json next '@daily' --from 2026-11-21T14:00:00Z -n 1)"

    check_equal "$s: pause" 0 "$(status_of ctl pause t)"
    check_equal "$s: a paused job does not run" 1 "$(status_of ctl run t)"
    check_match "$s: and says why" 'paused' "$(cat "$DIR/out")"
    stop_renewd
    start_ready || exit 1
    check_equal "$s: it is paused after a restart" 1 "$(member '$.jobs[0].paused' ctl --json jobs)"
    check_equal "$s: on the same host" "$id" "$(member '$.host' ctl --json status)"
    check_equal "$s: resume" 0 "$(status_of ctl resume t)"
    check_equal "$s: it runs again" 0 "$(status_of ctl run t)"
}

schedule_is() { # JOB TEXT
    ctl --json jobs > "$DIR/json.in"
    [ "$(sqlite3 :memory: "select value->>'schedule' from
        json_each(cast(readfile('$DIR/json.in') as text), '\$.jobs') where value->>'job' = '$1'")" = "$2" ]
}

reload() { # STORE: the daemon of commands() runs still
    local s=$1
    make_accounts_table more
    load_accounts strict more 1 more
    yearly more more
    sed -i 's/0 0 1 1/30 4 1 1/' "$DIR/conf.d/t.conf"
    check_equal "$s: reload" 0 "$(status_of ctl reload)"
    check_match "$s: counts" 'loaded 2, unchanged 0' "$(cat "$DIR/out")"
    check "$s: a changed file takes effect" schedule_is t '30 4 1 1 *'
    check "$s: a new job runs" wait_until 10 ctl run more
    check "$s: and refreshes" compare_truth strict more more
    check_equal "$s: reload of the same" 0 "$(status_of ctl reload)"
    check_match "$s: changes nothing" 'loaded 0, unchanged 2' "$(cat "$DIR/out")"

    sed -i 's/30 4 1 1 \*/61 4 1 1 */' "$DIR/conf.d/t.conf"
    sed -i 's/0 0 1 1/15 4 1 1/' "$DIR/conf.d/more.conf"
    check_equal "$s: a file with a mistake: reload exits 1" 1 "$(status_of ctl reload)"
    check_match "$s: it names file and line" 't[.]conf:[0-9]+' "$(cat "$DIR/out")"
    check "$s: its job runs on as it was" schedule_is t '30 4 1 1 *'
    check "$s: the other file takes effect" schedule_is more '15 4 1 1 *'
    check_equal "$s: and the job works" 0 "$(status_of ctl run t)"
    sed -i 's/61 4 1 1/45 4 1 1/' "$DIR/conf.d/t.conf"
    rm "$DIR/conf.d/more.conf"
    kill -HUP "$RENEWD_PID"
    check "$s: SIGHUP reloads too" wait_until 10 schedule_is t '45 4 1 1 *'
    check_equal "$s: a removed job is gone" 1 "$(ctl --json jobs | members '$.jobs' | wc -w)"
}

# sent COUNT: so many requests lie in the sockets of the simulator, which is stopped.
sent() {
    local port
    port=$(printf ':%04X$' "${SIM_URL##*:}")
    [ "$(awk -v port="$port" '$2 ~ port && $4 == "01" && $5 !~ /:00000000$/' /proc/net/tcp | wc -l)" = "$1" ]
}
runs_are() { # COUNT: under way
    [ "$(sql "select count(*) from $(own runs) where finished_at = 0")" = "$1" ]
}
stops_are() { [ "$(grep -c 'msg=stopping signal=SIGTERM' "$DIR/renewd.all")" = "$1" ]; }

stopping() { # STORE
    local s=$1 begun run second stops
    load_accounts strict t 6 stop
    sim mark '{}' > /dev/null
    sed -i 's/^schedule/in_flight = 3; rescan = "1s"; schedule/' "$DIR/conf.d/t.conf"
    ctl reload > /dev/null
    wait_until 10 counted 10
    kill -STOP "$SIM_PID" # it answers when the daemon has been told to stop
    ctl run t > "$DIR/run.out" 2>&1 &
    run=$!
    check "$s: three requests are under way" wait_until 20 sent 3
    ctl run t > "$DIR/second.out" 2>&1 & # it waits for those
    second=$!
    check "$s: two runs are under way" wait_until 20 runs_are 2
    stops=$(grep -c 'msg=stopping signal=SIGTERM' "$DIR/renewd.all")
    begun=$SECONDS
    kill -TERM "$RENEWD_PID"
    check "$s: it has heard that it is to stop" wait_until 20 stops_are $((stops + 1))
    kill -CONT "$SIM_PID"
    wait "$RENEWD_PID"
    check_equal "$s: SIGTERM: a clean end" 0 $?
    RENEWD_PID=''
    wait "$run"
    check_equal "$s: a run that the stop cut short exits 1" 1 $?
    check_match "$s: and says so" '^renewd is stopping: what was skipped is left' "$(cat "$DIR/run.out")"
    wait "$second"
    check_equal "$s: so does one that waited for another run of this renewd" 1 $?
    check_match "$s: and it says the same" '^renewd is stopping: what was skipped is left' "$(cat "$DIR/second.out")"
    check_no_match "$s: and nothing of another host" 'elsewhere' "$(cat "$DIR/run.out" "$DIR/second.out")"
    check "$s: within seconds" test $((SECONDS - begun)) -lt 10
    check_equal "$s: what was under way was finished, nothing new begun" "3 3" \
        "$(sim_count strict presented) $(sim_count strict ok)"
    check "$s: and stored" grants_of_stopped
    check_equal "$s: nothing is left on the spool" 0 "$(spool_files)"
    check_equal "$s: no lease is left" 0 "$(sql "select count(*) from $(own credentials) where lease_until is not null")"
    check_equal "$s: no socket is left" no "$([ -S "$SOCKET" ] && echo yes || echo no)"
}

counted() { # RECORDS
    [ "$(member '$.jobs[0].records.all' ctl --json jobs)" = "$1" ]
}

# d-4 was revoked: its row stays and its truth has none.
grants_of_stopped() {
    grants_agree t '' | grep -v -e '^[0-9]' -e '^[<>] d-4' -e '^[<>] more-1' | grep . && return 1
    return 0
}

ticks() {
    sql "select count(*) from $(own runs) where trigger = 'tick'"
}

# A changed schedule may have made some up already.
ticks_are() { # COUNT
    [ "$(ticks)" = "$1" ] && [ "$(sql "select count(*) from $(own runs) where trigger = 'tick' and finished_at = 0")" = 0 ]
}

missed_tick() { # STORE
    local s=$1 before
    before=$(ticks)
    sql "update $(own jobs) set last_tick = last_tick - 400 * 86400"
    start_ready || exit 1
    check "$s: a tick missed while down is made up" wait_until 10 ticks_are $((before + 1))
    stop_renewd
    start_ready || exit 1
    check_equal "$s: a run by hand" 0 "$(status_of ctl run t)" # its start is over
    stop_renewd
    check_equal "$s: once" $((before + 1)) "$(ticks)"
}

checking() { # STORE
    local s=$1 out
    out=$(run_renewd --check; echo $?; cat "$DIR/renewd.log")
    check_match "$s: --check of a good configuration" '^0$' "$out"
    check_match "$s: lists the secrets by name" 'env:TEST_SECRET is set' "$out"
    check_no_match "$s: and never their values" "hush-secret|$RENEWD_TEST_KEY" "$out"
    cp "$CONF" "$DIR/good.conf"
    sed -i "s/^api = .*/api = { socket = \"${SOCKET//\//\\/}\"; clients = ( { name = \"app\"; secret = \"env:APP_SECRET\"; \
        jobs = [ \"tt\", \"t\", \"nothing-like-it\" ]; allow = [ \"read\" ]; } ); };/" "$CONF"
    out=$(APP_SECRET=hush-0123456789abcdef run_renewd --check; echo $?; cat "$DIR/renewd.log")
    check_match "$s: --check warns of a client's job that does not exist" \
        "^warning: .*renewd.conf: client 'app' may use the job 'tt', which does not exist; did you mean 't'\?$" "$out"
    check_match "$s: also where no name is near" "the job 'nothing-like-it', which does not exist$" "$out"
    check_no_match "$s: and of no other" "the job 't'," "$out"
    check_match "$s: which is no mistake" '^0$' "$out"
    mv "$DIR/good.conf" "$CONF"
    yearly bad t 'in_flight = "many"; pace = "soon";'
    sed -i 's/0 0 1 1/61 0 1 1/; s/env:TEST_SECRET/env:NOT_THERE/' "$DIR/conf.d/bad.conf"
    echo 'plugin = "nothing";' | write_job worse
    out=$(run_renewd --check; echo $?; cat "$DIR/renewd.log")
    check_match "$s: --check of a bad one exits 78" '^78$' "$out"
    for what in 'bad.conf:[0-9]+:.*in_flight' 'bad.conf:[0-9]+:.*pace' 'bad.conf:[0-9]+:.*61' \
        'worse.conf:[0-9]+:.*nothing' 'env:NOT_THERE is not set'; do
        check_match "$s: it names $what" "$what" "$out"
    done
    echo 'states_dir = "x";' >> "$CONF"
    check_equal "$s: a mistake in renewd.conf ends the daemon with 78" 78 "$(run_renewd; echo $?)"
    check_match "$s: and is named" 'renewd.conf:[0-9]+:.*states_dir' "$(cat "$DIR/renewd.log")"
}

start_simulator
for store in sqlite postgresql; do
    stage $store
    make_accounts_table t
    load_accounts strict t 4 d
    yearly t t
    commands $store
    reload $store
    stopping $store
    missed_tick $store
    checking $store
done
no_tokens_in_logs
finish
