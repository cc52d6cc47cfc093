#!/bin/bash
# SPDX-License-Identifier: MIT
# tests/port: many who ask at once get a port each, outside the range of the kernel's own choice.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failed=0
check() { # NAME EXPECTED SEEN
    if [ "$2" = "$3" ]; then
        echo "ok port: $1"
    else
        printf 'not ok port: %s\n#   expected: %s\n#   seen:     %s\n' "$1" "$2" "$3"
        failed=1
    fi
}
for i in $(seq 20); do
    (mkdir "$dir/$i" && for _ in 1 2 3; do "$top/tests/port" "$dir/$i"; done > "$dir/$i/ports") &
done
wait
check 'sixty askings, sixty ports' 60 "$(cat "$dir"/*/ports | sort -u | wc -l)"
read -r low high < /proc/sys/net/ipv4/ip_local_port_range
inside=$(cat "$dir"/*/ports | awk -v low="$low" -v high="$high" '$1 >= low && $1 <= high' | wc -l)
if [ "$low" -gt 10500 ]; then check 'the kernel gives none of them to others' 0 "$inside"; fi
port=$(head -n 1 "$dir/1/ports")
check 'whose it is' "$(cd "$dir/1" && pwd)" "$(cat "/tmp/renewd-ports.$(id -u)/$port")"
exit $failed
