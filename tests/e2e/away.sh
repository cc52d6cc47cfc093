# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What the tests of a store that is away share, beside lib.sh and strict.sh.

presented() { sim_count strict presented; }
answered() { sim_count strict ok; }
some_answered() { [ "$(answered)" -ge "$1" ]; }
none_under_way() { [ "$(answered)" = "$(presented)" ]; }
is_away() { ctl --json status | grep -q '"up": *false'; }
is_up() { ctl --json status | grep -q '"up": *true'; }
all_fine() { compare_truth strict tokens; }
log_lines() { grep -c "$1" "$DIR/renewd.all"; }

# begin_away MORE: on the current stage $ACCOUNTS records that are due, whose answers take a while, and the daemon.
begin_away() {
    main_shell begin_away || return 1
    make_accounts_table tokens
    load_accounts strict tokens "$ACCOUNTS" away
    strict_job tokens tokens "$1"
    sim misbehave '{"clear":true}' > /dev/null
    sim misbehave '{"mode":"delay","provider":"strict","ms":300,"when":"after","count":-1}' > /dev/null
    : > "$DIR/renewd.all"
    rm -f "$DIR/watched"
    start_ready || exit 1
    wait_until 20 some_answered 8
}

# The door is asked all the time; what took longest is in $DIR/slowest, in milliseconds, and in $DIR/others what a question
# to the simulator took, for which there is no store to wait: so much is the machine's.
watch_door() {
    local slowest=0 others=0
    while [ -d "$DIR" ] && [ ! -e "$DIR/watched" ]; do
        slowest=$(longer $slowest ctl status)
        others=$(longer $others sim_get counts)
        echo "$slowest" > "$DIR/slowest"
        echo "$others" > "$DIR/others"
        sleep 0.1
    done
}
longer() { # MILLISECONDS COMMAND...: those, or how long the command takes
    local most=$1 from took
    from=$(date +%s%N)
    "${@:2}" > /dev/null 2>&1
    took=$((($(date +%s%N) - from) / 1000000))
    [ $took -gt "$most" ] || took=$most
    echo "$took"
}
door_answered() { # NAME
    local slowest others
    slowest=$(cat "$DIR/slowest") others=$(cat "$DIR/others")
    check "$1: the door answered within a second ($slowest ms, others $others ms)" [ "$slowest" -lt $((1000 + 4 * others)) ]
}
