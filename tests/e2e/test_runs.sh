#!/bin/bash
# SPDX-License-Identifier: MIT
# The status of runs: one that no renewd has taken yet, one that goes on, and one whose renewd ended before it did; and
# what readyz says of held jobs and refused runs.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"

begun_run() { # JOB HOST (an expression): a run that has not ended; its id
    sql "insert into $(own runs) (job, \"trigger\", host, started_at) values ('$1', 'sql', $2, $(date +%s))"
    sql "select max(id) from $(own runs)"
}

in_sql() { # RUN
    sql "select status || ': ' || return_message from renewd.job_run_details where runid = $1"
}

statuses() { # STORE
    local s=$1 waits goes cut
    stage "$s"
    make_accounts_table tokens
    load_accounts strict tokens 2 runs
    strict_job tokens tokens
    check "$s: a first run" run_renewd --once
    waits=$(begun_run away null) # as renewd.request_run() leaves it, for a job that no daemon has
    sql "insert into $(own requests) (job, run_id, created_at) values ('away', $waits, $(date +%s))"
    goes=$(begun_run tokens "'of another host'")
    cut=$(begun_run tokens "(select id from $(own hosts) limit 1)")
    start_ready || exit 1
    ctl runs > "$DIR/runs.out"
    check_match "$s: a request that no renewd has taken waits" "^$waits +away +sql +waiting " "$(cat "$DIR/runs.out")"
    check_match "$s: one that a host has taken is running" "^$goes +tokens +sql +running " "$(cat "$DIR/runs.out")"
    check_match "$s: one of a process that was killed did not succeed" "^$cut +tokens +sql +interrupted " "$(cat "$DIR/runs.out")"
    check_match "$s: which is said below" "^run $cut was interrupted: its renewd ended before the run did" "$(cat "$DIR/runs.out")"
    check_match "$s: for programs" "\"id\":\"$waits\",[^}]*\"finished_at\":null,[^}]*\"status\":\"waiting\"" "$(ctl --json runs)"
    if [ "$s" = postgresql ]; then
        check_match "$s: in SQL it waits" '^waiting: no renewd has taken it yet' "$(in_sql "$waits")"
        check_match "$s: in SQL it is running" '^running: ' "$(in_sql "$goes")"
        check_match "$s: in SQL it failed" '^failed: interrupted: its renewd ended' "$(in_sql "$cut")"
    fi
    stop_renewd
}

# ask_run JOB: as SQL's renewd.run() does. refused_for PATTERN: that run.
ask_run() {
    the_run=$(begun_run "$1" null)
    sql "insert into $(own requests) (job, run_id, created_at) values ('$1', $the_run, $(date +%s))"
}
refused_for() { ctl runs | grep -Eq "^run $the_run was refused: .*$1"; }
ready() { curl -sS --max-time 20 --unix-socket "$SOCKET" http://localhost/readyz; }
ready_says() { ready | grep -Eq "$1"; }

# readyz is not "ok" while a job is held, or while nothing was refreshed since its last run was refused, unless a person
# had paused it.
readiness() { # STORE
    local s="$1, readyz" port
    stage "$1"
    make_accounts_table tokens
    load_accounts strict tokens 2 ready
    strict_job tokens tokens 'rescan = "1s";'
    google_job absent absent # it has no table
    google_job nowhere absent
    sed -i 's/^plugin = .*/plugin = "nowhere"; timezone = "Nowhere\/Nowhere";/' "$DIR/conf.d/nowhere.conf"
    sed -i 's/^schedule = .*/schedule = "0 0 1 1 *";/' "$DIR"/conf.d/*.conf # no run but those that are asked for
    port=$(free_port) || exit 1
    sed -i "s/^api = .*/api = { socket = \"${SOCKET//\//\\/}\"; listen = \"127.0.0.1:$port\"; };/" "$CONF"
    start_ready || exit 1
    check_match "$s: a held job, with its reason" '"status":"failing",.*"held":\[\{"job":"absent","reason":"[^]]*there is no table' "$(ready)"
    ask_run absent
    check "$s: a run of it that SQL asks for is refused, and listed so with the reason" wait_until 30 refused_for \
        'there is no table'
    ask_run nowhere
    check "$s: one of a job whose file has mistakes, too" wait_until 30 refused_for nowhere
    rm "$DIR/conf.d/absent.conf" "$DIR/conf.d/nowhere.conf"
    ctl reload > /dev/null
    check "$s: without it all is well" wait_until 30 ready_says '^\{"status":"ok"\}$'
    ctl pause tokens > /dev/null
    check_equal "$s: paused by a person: well" '{"status":"ok"}' "$(ready)"
    ask_run tokens
    check "$s: a run that is asked for is refused, and listed" wait_until 30 refused_for 'the job is paused'
    check_equal "$s: which says nothing of the job: well" '{"status":"ok"}' "$(ready)"
    check_match "$s: explain says that it is paused" '^the job is paused: renewctl resume' "$(ctl explain tokens)"
    ctl resume tokens > /dev/null
    check_no_match "$s: after the resume explain asks for none" 'resume' "$(ctl explain tokens)"
    check_equal "$s: nor does readyz" '{"status":"ok"}' "$(ready)"
    sql "alter table tokens rename column expires_at to ends"
    check "$s: its table does not fit any more" wait_until 60 ready_says '"held":\[\{"job":"tokens"'
    ask_run tokens
    check "$s: a run is refused for that" wait_until 30 refused_for expires_at
    sql "alter table tokens rename column ends to expires_at"
    check "$s: the table fits, and nothing was refreshed since the refusal" wait_until 60 ready_says \
        '^\{"status":"failing","refused":\[\{"job":"tokens","at":"20[^"]*Z","reason":"[^]]*expires_at[^]]*"\}\]\}$'
    check_match "$s: over TCP, where no secret is asked for, without the reason" \
        '^\{"status":"failing","refused":\[\{"job":"tokens","at":"20[^"]*Z"\}\]\}$' "$(curl -sS --max-time 20 "http://127.0.0.1:$port/readyz")"
    ctl pause tokens > /dev/null
    ask_run tokens
    check "$s: a person pauses it, and a run is refused for that" wait_until 30 refused_for 'the job is paused'
    stop_renewd
    start_ready || exit 1
    check "$s: also after a restart the refusal before it counts" wait_until 30 ready_says '"refused":\[\{"job":"tokens"[^]]*expires_at'
    ctl resume tokens > /dev/null
    ctl run tokens > /dev/null
    check "$s: until a run is not" wait_until 30 ready_says '^\{"status":"ok"\}$'
    stop_renewd
}

run_in_background() { # what it says, and its exit status at the end
    ctl run tokens > "$DIR/run.out" 2>&1
    echo "status $?" >> "$DIR/run.out"
}

# A run under way when its job is paused: it does not say that all is done.
paused_meanwhile() { # STORE
    local s="$1, paused meanwhile" caller
    stage "$1"
    make_accounts_table tokens
    load_accounts strict tokens 3 meanwhile
    strict_job tokens tokens 'in_flight = 1;'
    sed -i 's/^schedule = .*/schedule = "0 0 1 1 *";/' "$DIR/conf.d/tokens.conf"
    start_ready || exit 1
    sim mark '{}' > /dev/null
    sim misbehave '{"mode":"delay","provider":"strict","ms":3000,"when":"after","count":1}' > /dev/null
    run_in_background &
    caller=$!
    check "$s: the first of three is under way" wait_until 30 eval '[ "$(sim_count strict requests)" -ge 1 ]'
    ctl pause tokens > /dev/null
    wait "$caller"
    check_equal "$s: one was refreshed" 1 "$(sim_count strict presented)"
    check_match "$s: the run says why not the others" 'it was paused while the run was under way' "$(cat "$DIR/run.out")"
    check_match "$s: and that it did not succeed" '^status 1$' "$(tail -n 1 "$DIR/run.out")"
    stop_renewd
}

start_simulator
for store in sqlite postgresql; do
    statuses $store
    readiness $store
    paused_meanwhile $store
done
no_tokens_in_logs
finish
