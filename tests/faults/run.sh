#!/bin/bash
# SPDX-License-Identifier: MIT
# The fault suite. Two lanes, one for each store, inject faults round after round; after each round every
# account is compared with what the provider believes. Needs a build with --enable-fault-points.
#
#   run.sh check                   every kind of fault on both stores, CHECK_MINUTES (3) long
#   run.sh soak                    until every kind has its number, or SOAK_MINUTES long; goes on where STATE ends
#   run.sh table                   the table of what STATE says
#   run.sh repeat STORE KIND SEED  one round again
#
# SEED begins a run; STATE (faults.state) is the file with one line a round.
TOP=$(cd "$(dirname "$0")/../.." && pwd)
HERE=$TOP/tests/faults
BUILD=${BUILD:-$PWD}
STATE=${STATE:-$BUILD/faults.state}
. "$HERE/kinds.sh"

# --- what is known -------------------------------------------------------------------------------

# caption: when and how the rounds of STATE were run.
caption() {
    awk -v cores="$(nproc)" -v day="$(date -r "$STATE" +%F)" '
        $1 == "seed" { seed = $2; next }
        NF == 14 { rounds++; time[$1] += $14 / 60000 }
        END {
            for (s in time) if (time[s] > longest) longest = time[s]
            printf "Seed %s, %d rounds in two lanes, %.0f minutes on %d cores, %s.\n\n", seed, rounds, longest, cores, day
        }' "$STATE"
}

# STATE: store kind seed faults accounts lost twice condemned silent unsettled killed wire last milliseconds
table() {
    kind_list | awk '
        FILENAME == "-" { order[++n] = $1; certain[$1] = $3; next }
        $1 == "seed" || NF != 14 { next }
        { rounds[$2]++; for (i = 4; i <= 13; i++) { sum[$2, i] += $i; all[i] += $i }; time += $14 }
        function row(name, of, i) { line = "| " name " |"
            for (i = 4; i <= 13; i++) line = line " " of[i] + 0 " |"; print line }
        END {
            print "| fault | faults | accounts compared | lost | spent twice | wrongly condemned | silently ok |" \
                " not settled | killed before the spool write | reply lost on the wire | one last try, and spent |"
            print "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
            for (k = 1; k <= n; k++) {
                for (i = 4; i <= 13; i++) one[i] = sum[order[k], i]
                if (rounds[order[k]]) row(order[k], one)
            }
            row("all", all)
        }' - "$STATE"
}

# verdicts: a line "ok" or "not ok" for each kind on each store; false when one is not.
verdicts() {
    kind_list | awk '
        FILENAME == "-" { order[++n] = $1; certain[$1] = $3; next }
        $1 == "seed" { next }
        { id = $2 " on " $1; rounds[id]++; faults[id] += $4; accounts[id] += $5
          bad[id] += $6 + $7 + $8 + $9 + $10
          if (certain[$2] == "yes") unknown[id] += $11 + $12 + $13 }
        END {
            for (k = 1; k <= n; k++)
                for (s = 1; s <= 2; s++) {
                    id = order[k] " on " (s == 1 ? "sqlite" : "postgresql")
                    why = !rounds[id] ? "it was not run" : !faults[id] ? "no fault happened" : \
                        bad[id] ? bad[id] " accounts are wrong" : \
                        unknown[id] ? unknown[id] " accounts are unknown without need" : ""
                    if (why != "") status = 1
                    print (why == "" ? "ok" : "not ok") " faults: " id ", " faults[id] + 0 " faults, " \
                        accounts[id] + 0 " accounts" (why == "" ? "" : ": " why)
                }
            exit status
        }' - "$STATE"
}

# The kind of which this lane has the smallest part of its half; nothing when all are complete.
next_kind() { # STORE EVEN-IF-COMPLETE
    kind_list | awk -v store="$1" -v all="$2" '
        FILENAME == "-" { order[++n] = $1; target[$1] = $2 / 2; next }
        $1 == store { done[$2] += $4; rounds[$2]++ }
        END {
            for (k = 1; k <= n; k++) {
                part = rounds[order[k]] ? done[order[k]] / target[order[k]] + rounds[order[k]] / 1000000 : -1
                if (best == "" || part < least) { best = order[k]; least = part }
            }
            if (all == "yes" || least < 1) print best
        }' - "$STATE"
}

# True when each kind has had a round on this store.
all_run() { # STORE
    kind_list | awk -v store="$1" '
        FILENAME == "-" { kinds++; next }
        $1 == store && !rounds[$2]++ { run++ }
        END { exit run < kinds }' - "$STATE"
}

# --- a lane --------------------------------------------------------------------------------------

# one_round STORE KIND SEED: its line goes to STATE; what is wrong is told.
one_round() {
    local cause=killed columns started
    case $2 in reply-* | reset-* | closed-* | slept) cause=wire ;; esac
    started=$(date +%s%3N)
    SETTLE_WITH=''
    round_begin "$3"
    "kind_${2//-/_}"
    # shellcheck disable=SC2086
    settle $SETTLE_WITH
    columns=$(judge $cause "$([ $changed = 0 ] && echo no || echo yes)")
    told "the round went as it was meant to: tests/faults/run.sh repeat $1 $2 $3"
    echo "$1 $2 $3 $faults $columns $(($(date +%s%3N) - started))" >> "$STATE"
    if [ -s "$DIR/wrong" ]; then
        echo "not ok faults: tests/faults/run.sh repeat $1 $2 $3"
        head -n 5 "$DIR/wrong" | sed 's/^/#   /'
        cp "$DIR/wrong" "$STATE.wrong-$1-$2-$3"
        cp "$DIR/renewd.all" "$STATE.log-$1-$2-$3"
    fi
    if grep -Eq 'AddressSanitizer|ThreadSanitizer|runtime error|Segmentation' "$DIR/renewd.all"; then
        not_ok "a report of a sanitizer, or a crash: tests/faults/run.sh repeat $1 $2 $3"
        cp "$DIR/renewd.all" "$STATE.log-$1-$2-$3"
    fi
}

# lane STORE END-SECOND: rounds until then and at least one of each kind; or until all is complete (0).
lane() {
    local kind n number=1
    SUITE=faults
    . "$TOP/tests/e2e/lib.sh"
    . "$TOP/tests/e2e/strict.sh"
    . "$HERE/faults.sh"
    . "$HERE/kinds.sh"
    [ "$1" = sqlite ] || number=2
    unset PG_DIR PGHOST PGPORT # its server is stopped and started
    start_simulator
    n=$(grep -c "^$1 " "$STATE")
    while kind=$(next_kind "$1" "$([ "$2" = 0 ] || echo yes)") && [ -n "$kind" ]; do
        [ "$2" = 0 ] || [ "$(date +%s)" -lt "$2" ] || ! all_run "$1" || break
        [ $((n % 10)) != 0 ] && [ -n "$STORE" ] || fault_stage "$1"
        n=$((n + 1))
        one_round "$1" "$kind" $(((SEED * 1000003 + n * 2 + number) % 2147483647))
    done
    finish
}

# lanes END-SECOND: both at once; what their shells say of killed children is of no interest.
lanes() {
    local store pids='' pid status=0
    for store in sqlite postgresql; do
        "$0" lane $store "$1" 2> "$STATE.$store.err" &
        pids="$pids $!"
    done
    # shellcheck disable=SC2064
    trap "kill $pids 2> /dev/null; wait; exit 1" INT TERM HUP
    for pid in $pids; do
        wait "$pid" || status=1
    done
    [ $status = 0 ] || { echo 'not ok faults: a lane failed or ended early'; tail -n 5 "$STATE".*.err | sed 's/^/#   /'; }
    return $status
}

begin_state() {
    if [ ! -s "$STATE" ]; then
        SEED=${SEED:-$((RANDOM * 32768 + RANDOM))}
        echo "seed $SEED" > "$STATE" || exit 1
    fi
    SEED=$(awk '$1 == "seed" { print $2; exit }' "$STATE")
    export SEED STATE
    echo "# SEED=$SEED STATE=$STATE"
}

report() { # STATUS
    local status=$1
    echo
    caption
    table
    echo
    verdicts || status=1
    exit "$status"
}

case ${1:-} in
    check)
        STATE=$BUILD/faults-check.state
        rm -f "$STATE"*
        begin_state
        lanes $(($(date +%s) + ${CHECK_MINUTES:-3} * 60))
        report $?
        ;;
    soak)
        begin_state
        lanes "$([ -z "${SOAK_MINUTES:-}" ] && echo 0 || echo $(($(date +%s) + SOAK_MINUTES * 60)))"
        report $?
        ;;
    table) caption; table ;;
    lane) lane "$2" "$3" ;;
    repeat)
        STATE=$BUILD/faults-repeat.state
        rm -f "$STATE"*
        SUITE=faults
        . "$TOP/tests/e2e/lib.sh"
        . "$TOP/tests/e2e/strict.sh"
        . "$HERE/faults.sh"
        unset PG_DIR PGHOST PGPORT
        start_simulator
        fault_stage "$2"
        one_round "$2" "$3" "$4"
        cat "$STATE"
        [ ! -s "$STATE.wrong-$2-$3-$4" ] || failed=1
        finish
        ;;
    *) sed -n '3,12s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
