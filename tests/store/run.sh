#!/bin/bash
# SPDX-License-Identifier: MIT
# The storage tests, each on SQLite and on a private PostgreSQL cluster that is removed at the end.
# Run from the build directory: run.sh [TEST...]. RENEWD_TEST_ONLY=sqlite or postgresql leaves the other out.
set -u
src=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d "$("$src/../in-memory")/renewd-store.XXXXXX") || exit 99
stop() {
    [ ! -d "$work/pg/data" ] || "$src/../pg/stop" "$work/pg" > /dev/null 2>&1
    rm -rf "$work"
}
chmod 711 "$work" # the cluster has a user of its own when root runs this
trap stop EXIT
trap 'exit 130' INT TERM

tests=("$@")
if [ ${#tests[@]} = 0 ]; then
    for t in tests/store/test_store_*; do
        case $t in *.o | *.c | *.log | *.trs | *.sh) continue ;; esac
        [ -f "$t" ] && [ -x "$t" ] && tests+=("$t")
    done
fi
[ ${#tests[@]} != 0 ] || { echo "not ok store: no test programs are built"; exit 1; }

failed=0
run_all() {
    local t
    for t in "${tests[@]}"; do
        "$t" || { echo "# $t on $RENEWD_TEST_STORE ended with status $?"; failed=1; }
    done
}

export RENEWD_TEST_STORE=sqlite RENEWD_TEST_DSN=$work/test.db
only=${RENEWD_TEST_ONLY:-}
[ "$only" = postgresql ] || run_all
[ "$only" != sqlite ] || exit $failed

if ! settings=$("$src/../pg/start" "$work/pg"); then
    echo "not ok store: the private PostgreSQL cluster did not start"
    exit 1
fi
eval "$settings"
export RENEWD_TEST_STORE=postgresql RENEWD_TEST_DSN RENEWD_TEST_DSN_PASSWORD
run_all
exit $failed
