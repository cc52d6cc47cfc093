#!/bin/bash
# SPDX-License-Identifier: MIT
# What is said of one record is true of its row as it is now, and what keeps those that a run skips is said; each
# command's exit status says whether what was asked for was done. Both stores.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"

id_of() { sql "select id from tokens where account = '$1'"; }

# status EXPECTED NAME COMMAND...: of renewctl; what it says is in $said.
status() {
    local expected=$1 name=$2 seen
    shift 2
    said=$(ctl "$@" 2>&1)
    seen=$?
    check_equal "$name: exit status" "$expected" "$seen"
}

prepare() { # STORE
    stage "$1"
    make_accounts_table tokens
    load_accounts strict tokens 4 a
    sql "update tokens set status = 'connected'"
    strict_job tokens tokens 'rescan = "1h";' '' '' \
        "$(accounts_records tokens | sed -e 's/sealed = /only = { status = [ "connected" ]; }; sealed = /' -e 's/last_error = /status = "status"; &/')"
    start_ready || exit 1
}

reasons() { # STORE: of one record
    local s=$1 one two
    one=$(id_of a-1) two=$(id_of a-2)
    sql "update tokens set status = 'disconnected' where account = 'a-1'"
    status 1 "$s: a row that its application disconnected" explain tokens "$one"
    check_match "$s: is told as left out" "record $one is left out: .* status is none of those in .only." "$said"
    sql "update tokens set refresh_token = null where account = 'a-2'"
    status 0 "$s: a row without a token" explain tokens "$two"
    check_match "$s: is told as it is now" '^without credential' "$said"
    sql "delete from tokens where account = 'a-3'"
    status 1 "$s: a row that is gone" explain tokens 3
    check_match "$s: is told as gone" 'no record 3: there is no such row' "$said"
    status 0 "$s: of the whole job" explain tokens
    check_no_match "$s: no time that is over" "by itself at $(date -u +%Y-%m-%d)T0*$(date -u -d '1 hour ago' +%H):" "$said"
}

states() { # STORE: one with, one without a credential, one taken out of `only`, one deleted
    local s=$1 records
    records=$(ctl --json jobs | json '$.jobs[0].records' | tr -d ' \n')
    check_match "$s: whose row was looked at is ok no more" \
        '"all":4,"ok":1,.*"without_credential":1,"disconnected":2' "$records"
    check_match "$s: in the table too" '4 \(1 ok, 1 without_credential, 2 disconnected\)' "$(ctl jobs | tr -s ' \n' ' ')"
    check_match "$s: one of them" '^state: *without_credential' "$(ctl show tokens "$(id_of a-2)" | grep '^state')"
    check_match "$s: the list by such a state" " $(id_of a-1)  *a-1 .*disconnected" "$(ctl records tokens --state disconnected)"
    check_match "$s: and the other" " a-2 .*without_credential" "$(ctl records tokens --state without_credential)"
    check_no_match "$s: neither in the list of those that are well" 'a-[123] ' "$(ctl records tokens --state ok)"
    check_equal "$s: SQL says so too" "disconnected|2 ok|1 without_credential|1" \
        "$(sql "select state, count(*) from $(own record) group by 1 order by 1" | tr '\n' ' ' | sed 's/ $//')"
    check_match "$s: of the whole job" '2 .*disconnected: the row is gone, or' "$(ctl explain tokens)"
}

nobody() { # STORE: a text where keys are numbers
    local s=$1 rest
    status 1 "$s: show of such a key" show tokens me
    for rest in '' /explain /token '/refresh -X POST' '/refused -X POST -d {"generation":1,"status":401,"body":""} -H Content-Type:application/json'; do
        # shellcheck disable=SC2086
        check_equal "$s: no such record: $rest" 'unknown_record' "$(curl -sS --max-time 20 --unix-socket "$SOCKET" ${rest#/[a-z]* } \
            "http://localhost/v1/jobs/tokens/records/me${rest%% *}" | json '$.error.code')"
    done
}

acting() { # STORE
    local s=$1 two
    two=$(id_of a-2)
    status 1 "$s: refresh of one that is left out" refresh tokens "$(id_of a-1)"
    status 1 "$s: of one that is gone" refresh tokens 3
    check_match "$s: which is said" 'no record 3' "$said"
    status 1 "$s: of one without a token" refresh tokens "$two"
    check_match "$s: why it was skipped is said" '1  skipped: without credential' "$said"
    status 0 "$s: of one that can be" refresh tokens "$(id_of a-4)"
    check_match "$s: and it was" '^refreshed 1, failed 0, skipped 0' "$said"
    status 1 "$s: of all, one of which has no token" refresh tokens
    check_match "$s: with its reason" '1  skipped: without credential' "$said"
    check_match "$s: for programs as well" '"skipped_because":\[\{"count":1,"why":"without credential"' \
        "$(ctl --json refresh tokens | tr -d ' \n' | sed 's/withoutcredential/without credential/')"
    status 0 "$s: run, with nothing due" run tokens
}

statuses() { # STORE: of the other commands
    local s=$1
    status 0 "$s: status" status
    status 0 "$s: jobs" jobs
    status 1 "$s: a job that is not there" jobs nothing
    status 1 "$s: records of one" records nothing
    status 1 "$s: show of a record that is not there" show tokens 99
    status 1 "$s: a token of a record that is not there" token tokens 99
    status 0 "$s: a token" token tokens "$(id_of a-4)"
    status 0 "$s: pause" pause tokens
    status 1 "$s: run of a paused job" run tokens
    status 1 "$s: refresh of one of its records" refresh tokens "$(id_of a-4)"
    status 0 "$s: resume" resume tokens
    status 1 "$s: import for a job with a table of its application" import tokens /dev/null
    check_match "$s: says so, also where the file is empty" "rows of its own application's table" \
        "$(ctl import tokens /dev/null 2>&1)"
    status 2 "$s: a command that is none" nosuch
    status 2 "$s: a number of arguments that is none" show tokens
    status 0 "$s: reload without a change" reload
    sed -i 's/refresh_token = "refresh_token"/refresh_token = "renamed"/' "$DIR/conf.d/tokens.conf"
    status 1 "$s: reload after which a running job is held" reload
    status 1 "$s: run of a held job" run tokens
    stop_renewd
    status 69 "$s: without a daemon" status
}

start_simulator
for store in sqlite postgresql; do
    prepare $store
    reasons $store
    states $store
    nobody $store
    acting $store
    statuses $store
done
finish
