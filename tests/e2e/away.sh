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

# The door is asked all the time; what took longest is in $DIR/slowest, in milliseconds.
watch_door() {
    local from took slowest=0
    while [ -d "$DIR" ] && [ ! -e "$DIR/watched" ]; do
        from=$(date +%s%N)
        ctl status > /dev/null 2>&1
        took=$((($(date +%s%N) - from) / 1000000))
        [ $took -le $slowest ] || slowest=$took
        echo $slowest > "$DIR/slowest"
        sleep 0.1
    done
}
