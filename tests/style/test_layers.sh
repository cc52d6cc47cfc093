#!/bin/bash
# SPDX-License-Identifier: MIT
# The house rules that a script can see: a folder includes only folders before it, a library's header
# stands in its adapter or store driver alone, plugins include the public header alone, every file has
# its licence line, none is over 600 lines, banned functions are not used.
set -u
top=${abs_top_srcdir:-${top_srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}}
cd "$top" || exit 99
failed=0
report() { # NAME OFFENDERS
    if [ -z "$2" ]; then
        echo "ok style: $1"
    else
        echo "not ok style: $1"
        printf '%s\n' "$2" | head -20 | sed 's/^/#   /'
        failed=1
    fi
}
sources() { find core include plugins tests -name '*.[ch]' | sort; }

# A folder uses those before it, and its own sub-folders' order is the folder's own matter but for http's two.
order="base time rules crypto json conf loop http http/client http/server db journal store plugin config engine api cli"
rank() { local n=0 f; for f in $order; do n=$((n + 1)); [ "$f" = "$1" ] && { echo $n; return; }; done; echo 99; }
layer() { # PATH: the longest name in order that it begins with
    local f found=
    for f in $order; do case $1 in "$f"/*) [ ${#f} -le ${#found} ] || found=$f ;; esac; done
    echo "$found"
}

offenders=
for line in $(grep -rHoE '#include "core/[a-z_/]+' core --include='*.[ch]' | sed 's/#include "core\///; s/ //g'); do
    file=${line%%:*}
    from=$(layer "${file#core/}") to=$(layer "${line#*:}")
    [ -z "$from" ] || [ "$(rank "$to")" -le "$(rank "$from")" ] || offenders="$offenders$file includes core/$to
"
done
report "a folder includes only those before it" "$offenders"

headers='curl/|libpq-fe|openssl/|libconfig|microhttpd|json-c/|sqlite3'
report "a library's header stands in its adapter or driver alone" \
    "$(grep -nE "#[ ]*include[ ]*<($headers)" -r core plugins include --include='*.[ch]' |
       grep -vE '^core/(crypto|json|conf|loop|http|http/client|http/server|db)/[a-z_]+\.c:|^core/http/(client|server)/internal\.h:|^core/db/postgresql_internal\.h:')"
report "plugins include the public header and C's own alone" \
    "$(grep -nE '#[ ]*include' plugins/*.[ch] |
       grep -vE '<renewd/plugin\.h>|<(stddef|stdint|stdlib|string|stdio|limits|inttypes|stdbool|ctype)\.h>|"(oauth_common|graph|meta_events|meta_person|meta_phone|lightspeed_limits)\.h"|"plugins/')"
report "the public header needs nothing but stddef and stdint" \
    "$(grep -n '#include' include/renewd/plugin.h | grep -vE '<std(def|int)\.h>')"
report "every file has its licence line" \
    "$(for f in $(sources) $(git ls-files '*.am' '*.sh' '*.m4' 2>/dev/null); do
           head -3 "$f" | grep -q 'SPDX-License-Identifier: MIT' || echo "$f"; done)"
report "no file is over 600 lines" "$(sources | xargs wc -l | awk '$2 != "total" && $1 > 600')"
report "banned functions" \
    "$(grep -nE '\b(strcpy|strcat|sprintf|atoi|strtok|gmtime|localtime|system|gets)\(' -r core plugins --include='*.[ch]')"
report "the time comes from the clock" \
    "$(grep -nE '\b(time|gettimeofday|clock_gettime)\(' -r core plugins --include='*.c' |
       grep -vE '^core/base/clock_source\.c:|clock_gettime\(CLOCK_MONOTONIC, &t\)' | grep -E '[^_a-z](time|gettimeofday|clock_gettime)\((NULL|0|&|CLOCK)')"
report "tests take ports from tests/port alone" \
    "$(grep -nE '[Pp][Oo][Rr][Tt]=("?[0-9]|.*RANDOM)' -r tests --include='*.sh' tests/pg/start | grep -v 'port=1 ')"
report "nothing is left to be done by its own words" \
    "$(grep -nE '\b(TODO|FIXME|XXX|HACK)\b' -r core plugins include --include='*.[ch]')"
exit $failed
