#!/bin/bash
# SPDX-License-Identifier: MIT
# The house rules that a script can see: a folder includes only folders before it, one of the engine calls only
# those before it, a library's header
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

# A folder uses those before it; sub-folders have an order in http and in engine (below), else none.
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

# The engine's own folders, lowest first; "." is core/engine itself, and engine.h is the whole library's header.
engine_order="state rows commit discover refresh recovery tokens events ."
engine_rank() { local n=0 f; for f in $engine_order; do n=$((n + 1)); [ "$f" = "$1" ] && { echo $n; return; }; done; echo 99; }
engine_folder() { # PATH under core/engine: state/state.h -> state, job.c -> .
    case $1 in */*) echo "${1%%/*}" ;; *) echo . ;; esac
}

offenders=
for line in $(grep -rHoE '#include "core/engine/[a-z_/]+\.h' core/engine --include='*.[ch]' | sed 's/#include "core\/engine\///'); do
    file=${line%%:*} to=${line#*:}
    [ "$to" = engine.h ] && continue
    [ "$(engine_rank "$(engine_folder "$to")")" -le "$(engine_rank "$(engine_folder "${file#core/engine/}")")" ] ||
        offenders="$offenders$file includes core/engine/$to
"
done
report "a folder of the engine includes only those before it" "$offenders"

# Sources without their comments and texts.
bare() {
    sed -E 's/"([^"\\]|\\.)*"//g' "$@" | awk '{
        line = $0; out = ""
        while (line != "") {
            if (inside) {
                at = index(line, "*/")
                if (!at) break
                line = substr(line, at + 2); inside = 0
            } else {
                at = index(line, "/*")
                if (!at) { out = out line; break }
                out = out substr(line, 1, at - 1); line = substr(line, at + 2); inside = 1
            }
        }
        print out }'
}
engine_files() { # FOLDER SUFFIXES
    if [ "$1" = . ]; then ls core/engine/*.[$2]; else ls core/engine/"$1"/*.[$2]; fi
}
# What a higher folder defines for others; what a folder names, but for members of structs.
defined() { grep -hE '^[a-z].*\(' $(engine_files "$1" c) | grep -vE '^(static|enum|typedef|extern) ?' |
    sed -nE 's/^[a-z_0-9 *]*[ *]([a-z_0-9]+)\(.*/\1/p' | sort -u; }
named() { bare $(engine_files "$1" c) | grep -oE '(^|[^A-Za-z0-9_.>])[a-z_][A-Za-z0-9_]*' |
    sed -E 's/^[^A-Za-z0-9_]//' | sort -u; }

offenders= seen=0
for from in $engine_order; do
    names=$(named "$from")
    for to in $engine_order; do
        [ "$(engine_rank "$to")" -gt "$(engine_rank "$from")" ] || continue
        functions=$(defined "$to")
        seen=$((seen + $(printf '%s\n' "$functions" | wc -l)))
        for name in $(comm -12 <(printf '%s\n' "$names") <(printf '%s\n' "$functions")); do
            offenders="$offenders$(grep -lw "$name" $(engine_files "$from" c) | head -1) names $name() of a higher folder ($to)
"
        done
    done
done
[ "$seen" -gt 100 ] || offenders="${offenders}only $seen functions were found to look for"
report "a folder of the engine calls only those before it" "$offenders"

headers='curl/|libpq-fe|openssl/|libconfig|microhttpd|json-c/|sqlite3'
report "a library's header stands in its adapter or driver alone" \
    "$(grep -nE "#[ ]*include[ ]*<($headers)" -r core plugins include --include='*.[ch]' |
       grep -vE '^core/(crypto|json|conf|loop|http|http/client|http/server|db)/[a-z_]+\.c:|^core/http/(client|server)/internal\.h:|^core/db/postgresql_internal\.h:')"
report "plugins include the public header and C's own alone" \
    "$(grep -nE '#[ ]*include' plugins/*.[ch] |
       grep -vE '<renewd/plugin\.h>|<(stddef|stdint|stdlib|string|stdio|limits|inttypes|stdbool|ctype)\.h>|"(oauth_common|graph|meta_events|meta_person|meta_phone|lightspeed_limits)\.h"|"plugins/')"
report "no two structs of core share a name" \
    "$(grep -rhoE '^struct [a-z0-9_]+ \{' core --include='*.[ch]' | sort | uniq -d)"
report "no two files of core have a static function of one name" \
    "$(grep -rE '^static [^=;]*\(' core --include='*.c' |
       sed -nE 's/^([^:]*):static [a-z_0-9 *]*[ *]([a-z_0-9]+)\(.*/\2 \1/p' | sort -u |
       awk '$1 == last { print $1, file, $2 } { last = $1; file = $2 }')"
report "what engine_async() and engine_read() call when the work is done ends in _done" \
    "$(grep -rnE '\bengine_(async|async_read|read)\(' core --include='*.c' | grep -E '; *$' |
       grep -vE '(_done|[ ]done)\);|^core/engine/state/')"
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
