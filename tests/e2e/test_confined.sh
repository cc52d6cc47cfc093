#!/bin/bash
# SPDX-License-Identifier: MIT
# What a running renewd gives away: its secrets are not in the environment that /proc shows, and a reload has them all
# the same; it gains no privileges; with a /proc of processes alone it starts with the boot id that its unit hands over;
# the unit is one that systemd understands.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/bad.sh"

environment() {
    healthy
    start_renewd
    wait_until 20 compare_truth google healthy well-
    if [ -r "/proc/$RENEWD_PID/environ" ]; then
        tr '\0' '\n' < "/proc/$RENEWD_PID/environ" > "$DIR/environ"
        check "the environment still has the names" grep -q '^TEST_SECRET=' "$DIR/environ"
        check_fails "and none of the values that were read" grep -qE "$TEST_SECRET|$RENEWD_TEST_KEY" "$DIR/environ"
    fi
    check_match "no privileges can be gained, where the kernel has Landlock" '1$|has no Landlock' \
        "$(grep NoNewPrivs "/proc/$RENEWD_PID/status"; cat "$DIR/renewd.all")"
    google_job healthy healthy 'pace = "1ms";'
    check "a reload reads the secret again" ctl reload
    healthy_again
    check "and presents it" wait_until 20 refreshes
    check_fails "it still is in no environment" grep -aqE "$TEST_SECRET" "/proc/$RENEWD_PID/environ"
    google_job second healthy
    sed -i 's/env:TEST_SECRET/env:TEST_SECRET_THAT_IS_NOT/' "$DIR/conf.d/second.conf"
    ctl reload > "$DIR/reload.out" 2>&1
    check_match "one that is not set stays unset" 'TEST_SECRET_THAT_IS_NOT is not set' "$(cat "$DIR/reload.out")"
    stop_renewd
    rm "$DIR/conf.d/second.conf"
}

refreshes() {
    healthy_again
    ctl refresh healthy 1
}

boot_id() {
    unshare -m true 2> /dev/null || { echo "# no namespace of its own here"; return 0; }
    local as=(unshare -m sh -c 'mount -t proc -o subset=pid proc /proc && exec "$@"' sh)
    "${as[@]}" test ! -e /proc/sys || { echo "# no /proc of processes alone here"; return 0; }
    "${as[@]}" "$RENEWD" -c "$CONF" --once > "$DIR/boot.out" 2>&1
    check_match "without a boot id it does not start" "boot id cannot be read" "$(cat "$DIR/boot.out")"
    local id
    id=$(tr -d '\n-' < /proc/sys/kernel/random/boot_id)
    check "with the one that is handed over it does" env RENEWD_BOOT_ID="$id" "${as[@]}" "$RENEWD" -c "$CONF" --once
}

# Ready, alive again and again, stopping: as systemd would hear it.
watchdog() {
    command -v python3 > /dev/null || { echo "# no python3 here"; return 0; }
    python3 - "$DIR/notify" > "$DIR/notified" << 'END' &
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
while True:
    text = s.recv(100).decode()
    print(text, flush=True)
    if text == "STOPPING=1":
        break
END
    local listener=$!
    wait_until 20 test -S "$DIR/notify"
    NOTIFY_SOCKET=$DIR/notify WATCHDOG_USEC=200000 start_renewd
    check "the service manager hears that it is ready" wait_until 20 grep -q '^READY=1' "$DIR/notified"
    check "and alive, again and again" wait_until 20 eval "[ \$(grep -c '^WATCHDOG=1' '$DIR/notified') -ge 5 ]"
    stop_renewd
    check "and stopping" wait_until 20 grep -q '^STOPPING=1' "$DIR/notified"
    stop_process "$listener"
}

unit() {
    command -v systemd-analyze > /dev/null || { echo "# no systemd-analyze here"; return 0; }
    mkdir -p "$DIR/unit"
    sed "s,/usr/sbin/renewd,$RENEWD,; s,/usr/bin/renewctl,$RENEWCTL,; /^User=/d; /^Group=/d" "$TOP/contrib/renewd.service" > "$DIR/unit/renewd.service"
    systemd-analyze verify "$DIR/unit/renewd.service" > "$DIR/unit.out" 2>&1
    check_no_match "systemd understands every line of the unit" 'renewd.service:[0-9]+:|[Uu]nknown|[Ff]ailed to parse' "$(cat "$DIR/unit.out")"
    for line in ProcSubset=pid MemoryMax= TasksMax= WatchdogSec= '# IPAddressDeny=any' Environment=RENEWD_BOOT_ID=%b; do
        check "the unit has $line" grep -q "^$line" "$TOP/contrib/renewd.service"
    done
}

start_simulator
stage sqlite
environment
boot_id
watchdog
unit
no_tokens_in_logs
finish
