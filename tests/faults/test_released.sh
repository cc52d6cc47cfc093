#!/bin/bash
# SPDX-License-Identifier: MIT
# A renewd that is built as it is released has no fault points: no symbol, no name, no variable of theirs
# (debugging information apart, which tells of the source), and nothing happens when they are ordered.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
renewd=${RENEWD:-$PWD/core/renewd}
dir=$(mktemp -d /tmp/renewd-test.XXXXXX)
trap 'rm -rf "$dir"' EXIT
failed=0

report() { # NAME FOUND
    if [ -z "$2" ]; then
        echo "ok faults/released: $1"
    else
        echo "not ok faults/released: $1"
        printf '%s\n' "$2" | head -n 20 | sed 's/^/#   /'
        failed=1
    fi
}

# The names in fault.c's tables, of which those of one word are words of renewd's log as well.
sed -n 's/^ *\[[A-Z_]*\] = "\(.*-.*\)",.*/\1/p' "$top/core/base/fault.c" > "$dir/names"
echo 'RENEWD_FAULT
RENEWD_DEFENCES_OFF' >> "$dir/names"
if [ "$(wc -l < "$dir/names")" -lt 15 ]; then
    report 'the names are found in fault.c' "$(cat "$dir/names")"
fi
if ! strip -g -o "$dir/renewd" "$renewd" || ! nm "$dir/renewd" > "$dir/symbols"; then
    report 'the program can be looked into' "$renewd"
fi
strings -a "$dir/renewd" > "$dir/strings"
report 'no symbol' "$(grep -E " (fault_|defence_)" "$dir/symbols")"
report 'no string' "$(grep -Fxf "$dir/names" "$dir/strings"; grep -E 'RENEWD_FAULT|DEFENCES' "$dir/strings")"
said=$(RENEWD_FAULT=nonsense RENEWD_DEFENCES_OFF=nonsense RENEWD_FAULT_TRACE="$dir/trace" \
    "$renewd" --check -c /nonexistent 2>&1 | grep -iE 'fault|defence')
[ ! -e "$dir/trace" ] || said="$said a trace was written"
report 'orders are not heard' "$said"
exit $failed
