#!/bin/bash
# SPDX-License-Identifier: MIT
# The words of messages: every text in quotes of core/ and plugins/ that reads like a sentence uses the terms of the
# manual (parked, listener, lease, the database) and none of those that only its author understands.
set -u
top=${abs_top_srcdir:-${top_srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}}
cd "$top" || exit 99
failed=0

# texts FILE...: FILE:LINE:"text" of each text that has a blank; comments and lines of the preprocessor are left out, and
# SQL, where a word may be a column's name.
texts() {
    awk '
        FNR == 1 { comment = 0 }
        {
            line = $0; out = ""
            while (line != "") {
                if (comment) {
                    at = index(line, "*/")
                    if (!at) break
                    line = substr(line, at + 2); comment = 0
                } else if (match(line, /^[^"\/\x27]+/)) {
                    line = substr(line, RLENGTH + 1)
                } else if (substr(line, 1, 2) == "/*") {
                    line = substr(line, 3); comment = 1
                } else if (substr(line, 1, 2) == "//") {
                    break
                } else if (match(line, /^"([^"\\]|\\.)*"/)) {
                    text = substr(line, 1, RLENGTH); line = substr(line, RLENGTH + 1)
                    if (text ~ / / && text ~ /[a-z]/ && $0 !~ /^#/ && text !~ /SELECT |INSERT |UPDATE |DELETE | FROM | WHERE /)
                        print FILENAME ":" FNR ":" text
                } else if (match(line, /^\x27([^\x27\\]|\\.)*\x27/)) {
                    line = substr(line, RLENGTH + 1)
                } else {
                    line = substr(line, 2)
                }
            }
        }' "$@"
}

# A word, and what to say instead.
banned='nobody|somebody|whoever|whomever|the very (same|token|row|record)|is told|by and by|doors?|(set|kept|put) aside|the store is (away|busy)|by hand|at None'
not_one_of_them() { ! texts "$@" | grep -E ":\"(.*[^A-Za-z_])?($banned)([^A-Za-z_].*)?\"\$"; }

sample=$(mktemp "${TMPDIR:-/tmp}/renewd-words.XXXXXX") || exit 99
trap 'rm -f "$sample"' EXIT
sample_of() { printf '%s\n' "$1" > "$sample"; }
sees() { # SOURCE: a line of which must be found
    sample_of "$1"
    if not_one_of_them "$sample" > /dev/null; then
        echo "not ok style: words: not seen: $1"
        failed=1
    fi
}
passes() {
    sample_of "$1"
    if ! not_one_of_them "$sample" > /dev/null; then
        echo "not ok style: words: seen where none is: $1"
        failed=1
    fi
}
sees '    log_line(LEVEL_INFO, "nobody knows whether it was spent", NULL);'
sees "    c = '\"'; fail(\"the token was set aside\");"
sees '    x = /* a comment */ "opening the door at %s";'
passes '    /* nobody reads "the door of a comment" */'
passes '    state = "aside"; name = "doorway of words";'
passes '    log_line(LEVEL_INFO, "parked tokens are written into their row", NULL);'
[ $failed = 0 ] && echo "ok style: words: what is looked for is seen"

mapfile -t files < <(find core plugins -name '*.[ch]' | sort)
offenders=$(not_one_of_them "${files[@]}")
if [ -z "$offenders" ]; then
    echo "ok style: messages use the terms of the manual"
else
    echo "not ok style: messages use the terms of the manual"
    printf '%s\n' "$offenders" | head -20 | sed 's/^/#   /'
    failed=1
fi
exit $failed
