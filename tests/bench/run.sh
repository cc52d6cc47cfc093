#!/bin/bash
# SPDX-License-Identifier: MIT
# The bench: what renewd does and what it costs, beside bare loops in the same run. It prints a table and writes
# bench.json into the build folder. It fails on wrong results alone, never on time. README.md says what the columns mean.
# From the environment: QUICK=1 (three minutes), ONLY="safe idle" (some scenarios), ROWS, ROUNDS and the other sizes.
. "$(dirname "$0")/../e2e/lib.sh"
here=$(dirname "$0")
for part in kit refresh discover demand credits; do
    # shellcheck source=/dev/null
    . "$here/$part.sh"
done

SUITE=bench
if [ -n "${QUICK:-}" ]; then
    ROUNDS=${ROUNDS:-1} ROWS=${ROWS:-3000} WAVES=${WAVES:-4} DISCOVER=${DISCOVER:-20000} USERS=${USERS:-1000}
    DURATION=${DURATION:-4} IDLE_SECONDS=${IDLE_SECONDS:-10}
    BENCH_SECONDS=${BENCH_SECONDS:-150}
else
    ROUNDS=${ROUNDS:-3} ROWS=${ROWS:-100000} WAVES=${WAVES:-30} DISCOVER=${DISCOVER:-200000} USERS=${USERS:-20000}
    DURATION=${DURATION:-10} IDLE_SECONDS=${IDLE_SECONDS:-70}
fi
IN_FLIGHT=${IN_FLIGHT:-256} LATENCY_MS=${LATENCY_MS:-300} WIDE=${WIDE:-1024} RATE=${RATE:-2000} PATIENCE=${PATIENCE:-1800}
ALL='safe single_use sqlite_safe sqlite_single_use latency latency_wide discovery sqlite_discovery tokens credits sqlite_credits'

scenario() { # NAME
    case $1 in
        safe | single_use) refresh "$1" postgresql "$1" 0 "$IN_FLIGHT" "$ROWS" ;;
        sqlite_safe | sqlite_single_use) refresh "$1" sqlite "${1#sqlite_}" 0 "$IN_FLIGHT" "$ROWS" ;;
        latency) refresh "$1" postgresql safe "$LATENCY_MS" "$IN_FLIGHT" $((WAVES * IN_FLIGHT)) ;;
        latency_wide) refresh "$1" postgresql safe "$LATENCY_MS" "$WIDE" $((WAVES * WIDE)) ;;
        discovery) discover postgresql ;;
        sqlite_discovery) discover sqlite ;;
        tokens) demand postgresql ;;
        sqlite_tokens) demand sqlite ;;
        credits) credits postgresql ;;
        sqlite_credits) credits sqlite ;;
    esac
}

SCENARIOS=${ONLY:-$ALL}
SCENARIOS=${SCENARIOS//,/ }
SCENARIOS=${SCENARIOS//idle/discovery} # one daemon measures both
for name in $SCENARIOS; do
    case " $ALL sqlite_tokens " in *" $name "*) continue ;; esac
    not_ok "ONLY=$name: no scenario is called so; there are $ALL sqlite_tokens"
    finish
done
start_durable_cluster
of=$(git -C "$TOP" describe --always --dirty 2> /dev/null || "$RENEWD" --version)
[ "$RENEWD" = "$BUILD/core/renewd" ] || of="$RENEWD, bench of $of"
load_before=$(cut -d ' ' -f 1 /proc/loadavg)
for ROUND in $(seq "$ROUNDS"); do
    for name in $SCENARIOS; do
        if [ -n "${BENCH_SECONDS:-}" ] && [ "$SECONDS" -gt "$BENCH_SECONDS" ]; then
            echo "# $name, round $ROUND: left out, $BENCH_SECONDS s are over (BENCH_SECONDS)"
        else
            scenario "$name"
        fi
    done
done
echo
awk -f "$here/summary.awk" -v json="${BENCH_JSON:-$PWD/bench.json}" -v load="$load_before" \
    -v version="$of" \
    -v when="$(date -u +%FT%TZ)" -v processors="$(nproc)" "$RESULTS"
finish
