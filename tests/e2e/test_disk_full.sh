#!/bin/bash
# SPDX-License-Identifier: MIT
# The database's disk is full for a moment (SQLSTATE 53100), whatever renewd is doing then: taking what events became,
# rehearsing a write, looking a job up. It passes by itself: no event is sent twice, no job is held for it, no credential is
# spent twice. On PostgreSQL, where a trigger can say so; test_store_away_sqlite.sh fills a real disk.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"
. "$(dirname "$0")/graph.sh"
. "$(dirname "$0")/events.sh"

# full_disk TABLE TIMES [WHEN]: its next writes are refused; nothing of that is rolled back with them.
full_disk() {
    sql "create sequence full_$2_${1//[^a-z]/_};
        create function full_${1//[^a-z]/_}() returns trigger language plpgsql as \$\$ begin
            if nextval('full_$2_${1//[^a-z]/_}') <= $2 then raise exception using errcode = '53100'; end if; return new; end \$\$;
        grant all on sequence full_$2_${1//[^a-z]/_} to public;
        create trigger full_disk before insert or update on $1 for each row ${3:-} execute function full_${1//[^a-z]/_}()"
}

never_held() { # NAME
    check_no_match "$1: no job is held" 'msg="job held"' "$(cat "$DIR/renewd.all")"
}

events_once() {
    local s="events"
    events_stage postgresql
    : > "$DIR/renewd.all"
    app one
    start_ready || exit 1
    full_disk renewd.events 3 'when (new.state = 3)'
    check_equal "$s: 50 are taken" 202 "$(events 1 50 | post one)"
    check "$s: all are sent" come sent=50
    check_equal "$s: each once" '50 0' "$(sim_get events | json '$.received') $(repeats)"
    check_equal "$s: and counted so" 50 "$(sql 'select sum(sends) from renewd.events')"
    never_held "$s"
    stop_renewd
}

rehearsal() {
    local s="rehearsing a write"
    stage postgresql
    : > "$DIR/renewd.all"
    make_accounts_table tokens
    load_accounts strict tokens 5 acct
    full_disk tokens 1
    strict_job tokens tokens
    start_ready || exit 1
    check "$s: all are refreshed" wait_until 30 compare_truth strict tokens
    check_equal "$s: each presented once" 5 "$(sim_count strict presented)"
    check "$s: the disk was full at first" test "$(sql 'select last_value from full_1_tokens')" -gt 1
    never_held "$s"
    stop_renewd
}

at_start() {
    local s="looking a job up"
    stage postgresql
    make_accounts_table tokens
    strict_job tokens tokens
    start_ready || exit 1
    stop_renewd
    load_accounts strict tokens 5 acct
    : > "$DIR/renewd.all"
    full_disk renewd.jobs 2
    start_renewd || exit 1
    check "$s: all are refreshed" wait_until 30 compare_truth strict tokens
    never_held "$s"
    stop_renewd
}

start_simulator
events_once
rehearsal
at_start
no_tokens_in_logs
finish
