#!/bin/bash
# SPDX-License-Identifier: MIT
# A record that somebody asks for while it is being refreshed already, by itself or by another record with the same
# credential: the command waits for that attempt, and its result is the command's. One whose new token the database refused
# has failed. A run of the job, by command or in SQL, waits as well, also for the attempt of another host. Both stores. The
# provider holds its answers: it is stopped until all have asked.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"

under_way() { [ "$(sql "select count(*) from $(own credentials) where lease_until is not null")" = 1 ]; }
asked() { [ "$(sql "select count(*) from $(own runs) where trigger = 'hand'")" = "$1" ]; }
empty_id() { sql "select id from tokens where refresh_token is null"; }

refuse_updates() { # of the row's tokens, from now on
    if [ "$STORE" = sqlite ]; then
        sql "create trigger refuse before update of access_token on tokens when new.access_token is not old.access_token
            begin select raise(abort, 'the table refuses it'); end"
    else
        sql "alter table tokens add constraint refuse check (length(access_token) < 10) not valid"
    fi
}

# Record 1 is refreshed as soon as the daemon starts; MORE rows may be twins of it. Another row has no token.
prepare() { # STORE [SQL [MISBEHAVIOUR]]
    stage "$1"
    make_accounts_table tokens
    load_accounts strict tokens 1 j || exit 1
    sql "insert into tokens (account) values ('empty')"
    [ -z "${2:-}" ] || sql "$2"
    strict_job tokens tokens 'http = { timeout = "300s"; };'
    [ -z "${SCHEDULE:-}" ] || sed -i "s,^schedule = .*,schedule = [ $SCHEDULE ];," "$DIR/conf.d/tokens.conf"
    [ -z "${3:-}" ] || sim misbehave "$3" > /dev/null
    kill -STOP "$SIM_PID"
    start_ready || exit 1
    check "$s: an attempt is under way" wait_until 60 under_way
}

# meanwhile COMMAND...: asks, and the provider answers when it has been heard. Each of its steps in the store comes before
# those of a second command that is given after it has begun.
meanwhile() {
    ctl "$@" > "$DIR/said.out" 2>&1 &
    local it=$!
    wait_until 60 asked 1 || echo "# the command has not begun"
    ctl refresh tokens "$(empty_id)" > "$DIR/second.out" 2>&1
    check_match "$s: one without a token is skipped meanwhile" '^refreshed 0, failed 0, skipped 1' "$(cat "$DIR/second.out")"
    kill -CONT "$SIM_PID"
    wait $it
    status=$?
}

same_record() { # STORE
    local s="$1, the same record" status
    prepare "$1"
    meanwhile refresh tokens 1
    check_equal "$s: exit status" 0 "$status"
    check_match "$s: it was refreshed" '^refreshed 1, failed 0, skipped 0' "$(cat "$DIR/said.out")"
    check_equal "$s: once" 1 "$(strict_sum presented)"
    stop_renewd
}

twin() { # STORE
    local s="$1, a twin" status
    prepare "$1" "insert into tokens (account, access_token, refresh_token, expires_at)
        select 'twin', access_token, refresh_token, expires_at from tokens where id = 1"
    # whichever is presented: the other is asked for
    meanwhile refresh tokens "$(sql "select max(id) from tokens")"
    check_equal "$s: exit status" 0 "$status"
    check_match "$s: it was refreshed" '^refreshed 1, failed 0, skipped 0' "$(cat "$DIR/said.out")"
    check_equal "$s: once" 1 "$(strict_sum presented)"
    stop_renewd
}

# Its failure is the command's as well.
it_fails() { # STORE
    local s="$1, a failure" status
    prepare "$1" '' '{"mode":"status","provider":"strict","status":429,"count":1}'
    meanwhile refresh tokens 1
    check_equal "$s: exit status" 1 "$status"
    check_match "$s: it failed" '^refreshed 0, failed 1, skipped 0' "$(cat "$DIR/said.out")"
    check_match "$s: with what was said" '1 +rate_limited' "$(cat "$DIR/said.out")"
    stop_renewd
}

# Its row refused the pair: it waits, and has failed for whoever asks.
pending() { # STORE
    local s="$1, set aside" status
    prepare "$1"
    refuse_updates
    meanwhile refresh tokens 1
    check_equal "$s: exit status" 1 "$status"
    check_match "$s: it has failed" '^refreshed 0, failed 1, skipped 0' "$(cat "$DIR/said.out")"
    check_match "$s: as set aside" 'set_aside.*was parked: .*renewctl parked' "$(cat "$DIR/said.out")"
    check_fails "$s: so it has for the next" sh -c "exec $(printf '%q ' "$RENEWCTL" -s "$SOCKET" refresh tokens 1) > $DIR/said.out 2>&1"
    check_match "$s: which says the same" '^refreshed 0, failed 1, skipped 0' "$(cat "$DIR/said.out")"
    check_match "$s: in the same words" 'set_aside.*was parked: .*renewctl parked' "$(cat "$DIR/said.out")"
    check_equal "$s: the history has nothing twice" 0 "$(sql "select count(*) - count(distinct attempt_id) from $(own attempts)")"
    check_equal "$s: it was presented once" 1 "$(strict_sum presented)"
    stop_renewd
}

# run_meanwhile SOCKET: a run of the whole job, and the provider answers when the run waits for what is under way.
run_meanwhile() {
    "$RENEWCTL" -s "$1" run tokens > "$DIR/said.out" 2>&1 &
    local it=$!
    wait_until 60 waits || echo "# the run does not wait"
    kill -CONT "$SIM_PID"
    wait $it
    status=$?
}
waits() { [ "$(sql "select due from $(own runs) where trigger in ('run', 'sql')")" = 1 ]; }

# What the run says of what is being refreshed already. SCHEDULE decides how records are due.
whole_job() { # STORE SCHEDULE
    local s="$1, the whole job, $2" status
    SCHEDULE=$2 prepare "$1"
    run_meanwhile "$SOCKET"
    check_equal "$s: exit status" 0 "$status"
    check_match "$s: it was refreshed" 'refreshed 1, failed 0, skipped 0' "$(cat "$DIR/said.out")"
    check_equal "$s: once" 1 "$(strict_sum presented)"
    check_equal "$s: the run's row says so" '1|1|0|0' \
        "$(sql "select due, refreshed, failed, skipped from $(own runs) where trigger = 'run'")"
    stop_renewd
}

it_fails_there() { # STORE
    local s="$1, the whole job, a failure" status
    prepare "$1" '' '{"mode":"status","provider":"strict","status":429,"count":1}'
    run_meanwhile "$SOCKET"
    check_equal "$s: exit status" 1 "$status"
    check_match "$s: it failed" 'refreshed 0, failed 1, skipped 0' "$(cat "$DIR/said.out")"
    check_match "$s: with what was said" '1 +rate_limited' "$(cat "$DIR/said.out")"
    stop_renewd
}

two_hosts() { # STORE
    local s="$1, two hosts" status second
    prepare "$1"
    mkdir -p "$DIR/state2"
    chmod 700 "$DIR/state2"
    sed -e 's/state_dir = "state"/state_dir = "state2"/' -e "s,$SOCKET,$DIR/second.sock," "$CONF" > "$DIR/second.conf"
    "$RENEWD" -c "$DIR/second.conf" >> "$DIR/renewd.all" 2>&1 &
    second=$!
    check "$s: the second starts" wait_until 60 curl -sSf --unix-socket "$DIR/second.sock" http://localhost/readyz
    run_meanwhile "$DIR/second.sock"
    check_equal "$s: exit status" 0 "$status"
    check_match "$s: it was refreshed" 'refreshed 1, failed 0, skipped 0' "$(cat "$DIR/said.out")"
    check_equal "$s: once" 1 "$(strict_sum presented)"
    stop_process $second
    stop_renewd
    rm -rf "$DIR/state2"
}

sql_run_over() { [ -n "$(sql "select finished_at from $(own runs) where trigger = 'sql' and finished_at > 0")" ]; }
in_sql() {
    local s="postgresql, a run in SQL"
    prepare postgresql
    # the request notes what is due; renewd notes it again
    sql "select renewd.run('tokens'); update renewd.runs set due = 0 where trigger = 'sql'" > /dev/null 2>&1
    check "$s: it waits for what is under way" wait_until 60 waits
    kill -CONT "$SIM_PID"
    check "$s: it ends" wait_until 60 sql_run_over
    check_equal "$s: and says that it was refreshed" '1|0|0' \
        "$(sql "select refreshed, failed, skipped from renewd.runs where trigger = 'sql'")"
    stop_renewd
}
start_simulator
for store in sqlite postgresql; do
    same_record $store
    twin $store
    it_fails $store
    pending $store
    whole_job $store '"*/10 * * * *", "auto"'
    whole_job $store '"auto"'
    it_fails_there $store
    two_hosts $store
done
in_sql
no_tokens_in_logs
finish
