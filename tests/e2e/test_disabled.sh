#!/bin/bash
# SPDX-License-Identifier: MIT
# A job whose file says enabled = false is told as disabled, with its file, by whoever is asked for it; and what became
# of a job's last run is told with the job. Both stores.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"

told() { # NAME TEXT
    check_match "$1" "job tokens is disabled \(enabled = false\) in [^ ]*/conf.d/tokens.conf" "$2"
}

by_socket() { curl -sS --max-time 20 --unix-socket "$SOCKET" "${@:2}" "http://localhost$1"; }

disabled() { # STORE
    local s=$1
    stage "$s"
    make_accounts_table tokens
    load_accounts strict tokens 1 a
    strict_job tokens tokens 'functions = [ "refresh-lightspeed-tokens" ]; legacy_name = "old-name"; enabled = false;'
    run_renewd --once tokens > "$DIR/said" 2>&1
    told "$s: by --once" "$(cat "$DIR/said" "$DIR/renewd.log")"
    start_ready || exit 1
    told "$s: by run" "$(ctl run tokens 2>&1)"
    told "$s: by show" "$(ctl show tokens 1 2>&1)"
    told "$s: by jobs" "$(ctl jobs 2>&1)"
    told "$s: by jobs of it" "$(ctl jobs tokens 2>&1 | tr -s ' \n' ' ')"
    check_match "$s: by its name of before" 'is disabled' "$(ctl jobs old-name 2>&1)"
    told "$s: by the API" "$(by_socket /v1/jobs/tokens/records/1/token | json '$.error.message')"
    check_equal "$s: in a word" disabled "$(by_socket /v1/jobs/tokens/runs | json '$.error.code')"
    told "$s: by a function" "$(by_socket /functions/v1/refresh-lightspeed-tokens -X POST | json '$.message')"
    if [ "$s" = postgresql ]; then
        sql_says() { sql "select renewd.run('tokens')" 2>&1 | grep -q 'is disabled'; }
        check "$s: by SQL" wait_until 20 sql_says
        told "$s: with its file" "$(sql "select renewd.run('tokens')" 2>&1)"
    fi
    sed -i 's/enabled = false;//' "$DIR/conf.d/tokens.conf"
    ctl reload > /dev/null
    check_match "$s: enabled again it runs" '^refreshed' "$(ctl run tokens 2>&1)"
    check_no_match "$s: and nothing says otherwise" disabled "$(ctl jobs)"
    sed -i 's/^plugin/enabled = false; plugin/' "$DIR/conf.d/tokens.conf"
    ctl reload > /dev/null
    told "$s: after a reload too" "$(ctl run tokens 2>&1)"
    stop_renewd
}

last_run() { # STORE
    local s="$1, last run"
    stage "$1"
    make_accounts_table tokens
    load_accounts strict tokens 2 a '"age":10800'
    strict_job tokens tokens
    sed -i 's/^schedule.*/schedule = "0 0 1 1 *";/' "$DIR/conf.d/tokens.conf"
    start_ready || exit 1
    check_equal "$s: none yet" null "$(ctl --json jobs | json '$.jobs[0].last_run' | sed 's/^$/null/')"
    sim misbehave '{"mode":"status","status":503,"provider":"strict","account":"a-1","count":1}' > /dev/null
    ctl run tokens > "$DIR/run" 2>&1
    check_match "$s: that failed is told, with when and why" \
        'job tokens: its last run \([0-9]+, ended 20[^)]*\) failed for 1 of its records; record [0-9]+: .*' "$(ctl jobs tokens | tr -s ' \n' ' ')"
    check_equal "$s: for programs" 'failed 1' \
        "$(ctl --json jobs | json '$.jobs[0].last_run.status') $(ctl --json jobs | json '$.jobs[0].last_run.failed')"
    ctl pause tokens > /dev/null
    ctl run tokens > "$DIR/run" 2>&1
    check_equal "$s: a paused job runs not: exit status" 1 $?
    check_match "$s: and why" 'job tokens is paused; resume it first' "$(cat "$DIR/run")"
    check_equal "$s: and that is no run of it" 'failed 1' \
        "$(ctl --json jobs | json '$.jobs[0].last_run.status') $(ctl --json jobs | json '$.jobs[0].last_run.failed')"
    sim misbehave '{"clear":true}' > /dev/null
    ctl resume tokens > /dev/null
    ctl refresh tokens > /dev/null 2>&1
    check_equal "$s: that went well is told as nothing" succeeded "$(ctl --json jobs | json '$.jobs[0].last_run.status')"
    check_no_match "$s: not below the table" 'its last run' "$(ctl jobs)"
    stop_renewd
}

start_simulator
for store in sqlite postgresql; do
    disabled $store
    last_run $store
done
no_tokens_in_logs
finish
