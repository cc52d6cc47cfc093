#!/bin/bash
# SPDX-License-Identifier: MIT
# What the documents for contributors name exists: each path, each file of the sources and each function that stands in
# backquotes, or in a picture, of ARCHITECTURE.md, CONTRIBUTING.md, SECURITY.md, the READMEs and tests/README.md. Each
# folder of core/ has a README.
set -u
top=${abs_top_srcdir:-${top_srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}}
cd "$top" || exit 99
failed=0 names=0
report() { # NAME OFFENDERS
    if [ -z "$2" ]; then
        echo "ok style: $1"
    else
        echo "not ok style: $1"
        printf '%s\n' "$2" | head -40 | sed 's/^/#   /'
        failed=1
    fi
}
folders="core include plugins tests contrib conf.d sql man m4"
files=$(find $folders -type f | sort; ls)
documents="ARCHITECTURE.md CONTRIBUTING.md SECURITY.md README.md tests/README.md $(find core -name README | sort)"

# What is quoted, one a line; of a picture each word that looks like a file or a function.
quoted() { # FILE
    case $1 in *.md) ;; *) grep -oE '`[^`]+`' "$1" | tr -d '`' | tr -s ' ,' '\n'; return ;; esac
    awk '/^ *```/ { inside = !inside; next }
         inside { while (match($0, /[A-Za-z0-9_.\/-]+(\.[chs][h]?|\(\))/)) { print substr($0, RSTART, RLENGTH); $0 = substr($0, RSTART + RLENGTH) } next }
         { text = text " " $0 }
         END { n = split(text, part, "`")
               for (i = 2; i <= n; i += 2) { m = split(part[i], word, /[ ,]+/); for (k = 1; k <= m; k++) print word[k] } }' "$1"
}

# A path is looked for from the top, in core/, in core/engine/ and beside the document; a name alone anywhere.
is_there() { # WORD FOLDER
    local at
    for at in "" core/ core/engine/ "$2/" tests/; do
        compgen -G "$at$1" > /dev/null && return 0
    done
    case $1 in */*) return 1 ;; esac
    grep -qE "(^|/)$(sed 's/[.]/[.]/g; s/[*]/[^\/]*/g' <<< "$1")\$" <<< "$files"
}

# word DOCUMENT WORD: one that names a file or a function is counted, and noted when there is none.
word() {
    case $2 in
        *'*'*'()' | /* | -* | *=* | *:* | *'$'* | *'{'* | *'|'* | *..* | acme.*) ;; # acme is a plugin of the reader's
        core/* | include/* | plugins/* | tests/* | contrib/* | conf.d/* | sql/* | man/* | *.[ch] | *.sh)
            names=$((names + 1))
            is_there "${2%/}" "$(dirname "$1")" || missing="$missing$1: $2 does not exist
" ;;
        *'()')
            names=$((names + 1))
            grep -rqE "(^|[^A-Za-z0-9_])${2%??}\\(" core include plugins tests/unit/runner.h --include='*.[ch]' ||
                missing="$missing$1: no function is called $2
" ;;
    esac
}

missing=
for document in $documents; do
    if [ -e "$document" ]; then
        while read -r text; do word "$document" "$text"; done < <(quoted "$document" | sed 's/[.;,:]$//' | grep . | sort -u)
    else
        missing="$missing$document is missing
"
    fi
done
[ $names -gt 200 ] || missing="${missing}only $names names were found to look for"
report "what the documents name exists" "$missing"
report "each folder of core/ has a README" \
    "$(find core -name '*.[ch]' | sed 's,/[^/]*$,,' | sort -u | while read -r folder; do
           [ "$folder" = core ] || [ -e "$folder/README" ] || echo "$folder"; done)"

# Links of an installed document lead to installed ones: they stand side by side in docdir.
installed=$(awk '/^dist_pkgdoc_DATA/ { on = 1 } on { gsub(/^dist_pkgdoc_DATA [+]?=|\\\\/, ""); print } on && !/\\\\$/ { on = 0 }' \
    contrib/fragment.am | tr -s ' \t' '\n' | grep .)
links=0 dead=
for document in $installed; do
    for link in $(grep -oE '\]\([^)]+\)' "$document" | sed 's/^](//; s/)$//; s/#.*//'); do
        case $link in *://* | mailto:*) continue ;; esac
        links=$((links + 1))
        grep -qxF "$link" <<< "$installed" || dead="$dead$document: $link is not installed beside it
"
    done
done
[ $links -gt 5 ] || dead="${dead}only $links links were found to follow"
report "links of installed documents lead to installed ones" "$dead"
exit $failed
