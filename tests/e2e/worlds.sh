# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What the tests of whole worlds share, beside lib.sh, strict.sh and breaker.sh: the daemon and the provider on a
# clock that runs SPEED times as fast (fast_clock.c), the truth about who is dead, and what came of it.

SPEED=${SPEED:-200}

# All that is started from here on lives on the fast clock; the database and the shell's own waits do not.
fast_clock() {
    main_shell fast_clock || return 1
    if grep -q libasan <<< "$(ldd "$RENEWD")"; then # no pipe: ldd may die of one that is closed
        echo "ok $SUITE # SKIP AddressSanitizer has to be loaded first"
        ended=yes
        exit 77
    fi
    need_library fast_clock
    FAST_CLOCK="$(date +%s) $SPEED"
    export FAST_CLOCK
    export LD_PRELOAD=$BUILD/tests/e2e/.libs/fast_clock.so
}

# world STORE PREFIX ACCOUNTS MORE: all are new, and stay fresh for two days once they are.
world() {
    make_world "$1" "$2" "$3" "http = { timeout = \"10m\"; }; ${4:-}"
    sim lives '{"provider":"strict","expires_in":172800}' > /dev/null
    : > "$DIR/renewd.all"
}
end_world() {
    stop_renewd
    none_refused
}
# pass_over SECONDS: so much time passes while renewd is down. What it writes itself cannot be moved under its hands.
pass_over() {
    main_shell pass_over || return 1
    stop_renewd
    pass "$1"
    start_ready || exit 1
}
kill_accounts() { # FROM UNTIL: by their number
    local account
    for account in $(sql "select account from tokens where id between $1 and $2 order by id"); do
        sim revoke "{\"provider\":\"strict\",\"account\":\"$account\"}" > /dev/null
    done
}
fresh() { # COUNT FROM: so many with a number from there on were refreshed, and are fine
    [ "$(sql "select count(*) from $(own records) where state = 1 and ok_at > 0 and cast(rkey as integer) >= $2")" = "$1" ]
}
told() { sql "select count(distinct what) from told"; }
told_all() { [ "$(told)" = "$1" ] && [ "$(in_state 4)" = "$1" ]; }
alarms() { grep -c 'level=error.*msg="job held by its breaker"' "$DIR/renewd.all"; }
# nobody_told_wrongly NAME DEAD: the first DEAD by number are dead.
nobody_told_wrongly() {
    check_equal "$1: nobody is told wrongly" 0 \
        "$(sql "select count(*) from told where what in (select account from tokens where id > $2)")"
}
