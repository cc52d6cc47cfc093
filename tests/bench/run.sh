#!/bin/bash
# SPDX-License-Identifier: MIT
# The bench: what renewd does and what it costs, beside bare loops in the same run. It prints a table and writes
# bench.json into the build folder. It fails on wrong results alone, never on time. README.md says what the columns mean.
# From the environment: QUICK=1 (three minutes), ONLY="safe idle" (some scenarios), ROWS, ROUNDS and the other sizes.
. "$(dirname "$0")/../e2e/lib.sh"
here=$(dirname "$0")
. "$here/kit.sh"
. "$here/refresh.sh"

SUITE=bench
if [ -n "${QUICK:-}" ]; then
    ROUNDS=${ROUNDS:-1} ROWS=${ROWS:-4000} WAVES=${WAVES:-8}
else
    ROUNDS=${ROUNDS:-3} ROWS=${ROWS:-100000} WAVES=${WAVES:-30}
fi
IN_FLIGHT=${IN_FLIGHT:-256} LATENCY_MS=${LATENCY_MS:-300} WIDE=${WIDE:-1024} PATIENCE=${PATIENCE:-600}
RENEWD_START_SECONDS=120
SCENARIOS='safe single_use sqlite_safe sqlite_single_use latency latency_wide'

scenario() { # NAME
    case $1 in
        safe | single_use) refresh "$1" postgresql "$1" 0 "$IN_FLIGHT" "$ROWS" ;;
        sqlite_*) refresh "$1" sqlite "${1#sqlite_}" 0 "$IN_FLIGHT" "$ROWS" ;;
        latency) refresh "$1" postgresql safe "$LATENCY_MS" "$IN_FLIGHT" $((WAVES * IN_FLIGHT)) ;;
        latency_wide) refresh "$1" postgresql safe "$LATENCY_MS" "$WIDE" $((WAVES * WIDE)) ;;
        *) not_ok "ONLY=$1: there are: $SCENARIOS"; finish ;;
    esac
}

if [ -n "${ONLY:-}" ]; then SCENARIOS=${ONLY//,/ }; fi
case " $SCENARIOS " in *" sqlite_"*) ;; esac
start_durable_cluster
load_before=$(cut -d ' ' -f 1 /proc/loadavg)
for ROUND in $(seq "$ROUNDS"); do
    for name in $SCENARIOS; do scenario "$name"; done
done
echo
awk -f "$here/summary.awk" -v json="${BENCH_JSON:-$PWD/bench.json}" -v load="$load_before" \
    -v version="$(git -C "$TOP" describe --always --dirty 2> /dev/null || "$RENEWD" --version)" \
    -v when="$(date -u +%FT%TZ)" -v processors="$(nproc)" "$RESULTS"
finish
