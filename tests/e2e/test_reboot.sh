#!/bin/bash
# SPDX-License-Identifier: MIT
# What a killed process's leases are worth depends on the boot that it ran in. In the same boot its spool tells of
# all that it sent: a lease without an intent was never used, and is given back. After a reboot the spool may
# have lost its end with the machine's memory: nobody knows what was sent, and every lease is ambiguous. One
# that dies beside a daemon is settled by that daemon.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"

presented_is() { [ "$(strict_sum presented)" = "$1" ]; }
leases() { sql "select count(*) from $(own credentials) where lease_host is not null"; }

# died STORE PREFIX: a process that died with three leases, whose spool file has its head alone.
died() {
    stage "$1"
    make_accounts_table tokens
    load_accounts strict tokens 3 "$2"
    strict_job tokens tokens
    sim misbehave '{"mode":"delay","provider":"strict","ms":1500,"when":"before","count":-1}' > /dev/null
    start_renewd || exit 1
    check "$s: three requests are under way" wait_until 20 presented_is 3
    stop_renewd KILL
    check_equal "$s: their leases are out" 3 "$(leases)"
    file=$(find "$DIR/state/spool" -name '*.spool')
    : > "$file"
}

# wakes BOOT: the next process finds the file written in that boot; nothing is due for it.
wakes() {
    "$BUILD/tests/e2e/spool_head" "$file" "$(head -c 32 "$DIR/state/host")" "$1" || exit 1
    sed -i 's/^schedule.*/schedule = "0 0 1 1 *";/' "$DIR/conf.d/tokens.conf"
    sql "update $(own hosts) set beat_at = beat_at - 60"
    start_ready || exit 1
    check_equal "$s: no lease is left" 0 "$(leases)"
}

same_boot() { # STORE
    local s="$1, the same boot" file
    died "$1" same
    wakes "$(cat /proc/sys/kernel/random/boot_id)"
    check_equal "$s: what had no intent is given back" '3|0' \
        "$(sql "select count(*) from $(own records) where state = 1")|$(history ambiguous)"
    stop_renewd
    check_equal "$s: the file is removed" 0 "$(spool_files)"
}

rebooted() { # STORE
    local s="$1, rebooted" file
    died "$1" boot
    wakes 00000000-0000-4000-8000-000000000000
    check_equal "$s: every lease is ambiguous, with an intent or without" '3|3|interrupted' \
        "$(sql "select count(*) from $(own records) where state = 6")|$(
           sql "select count(*), min(code) from $(own attempts) where outcome = 'ambiguous'")"
    ctl run tokens > /dev/null
    check_equal "$s: nothing is presented again" '3|0' "$(strict_sum presented)|$(strict_sum reuse)"
    stop_renewd
    check_equal "$s: the file is removed" 0 "$(spool_files)"
}

# A --once that dies beside the daemon: the daemon settles what it left, and need not be started again.
beside() { # STORE
    local s="$1, beside a daemon" once
    stage "$1"
    make_accounts_table tokens
    strict_job tokens tokens
    sed -i 's/^schedule.*/schedule = "0 0 1 1 *";/' "$DIR/conf.d/tokens.conf"
    start_ready || exit 1
    load_accounts strict tokens 3 beside
    sim misbehave '{"mode":"delay","provider":"strict","ms":1500,"when":"before","count":-1}' > /dev/null
    "$RENEWD" -c "$CONF" --once >> "$DIR/first.out" 2>&1 &
    once=$!
    check "$s: three requests are under way" wait_until 20 presented_is 3
    stop_process "$once" KILL
    check_equal "$s: its leases and its file are there" '3|2' "$(leases)|$(spool_files)"
    check "$s: the daemon looks" wait_until 40 no_leases
    check_equal "$s: and nobody knows what became of them" '3|interrupted' \
        "$(sql "select count(*), min(code) from $(own attempts) where outcome = 'ambiguous'")"
    check "$s: it goes on" wait_until 20 daemon_is_ready
    check_equal "$s: its own file alone is left" 1 "$(spool_files)"
    stop_renewd
}

no_leases() { [ "$(leases)" = 0 ]; }

start_simulator
for store in sqlite postgresql; do
    same_boot $store
    rebooted $store
    beside $store
done
no_tokens_in_logs
finish
