#!/bin/bash
# SPDX-License-Identifier: MIT
# A record that somebody asks for while it is being refreshed already, by itself or by another record with the same
# credential: the command waits for that attempt, and its result is the command's. One whose new token the database refused
# has failed. Both stores. The provider holds its answers: it is stopped until all have asked.
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

start_simulator
for store in sqlite postgresql; do
    same_record $store
    twin $store
    it_fails $store
    pending $store
done
no_tokens_in_logs
finish
