# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What the tests of bad input share, beside lib.sh and strict.sh: a healthy job that must be served in the
# same run, and what lies in the tables.

. "$TOP/tests/e2e/strict.sh"

# healthy: a second job whose records must be refreshed whatever happens beside it.
healthy() {
    make_accounts_table healthy
    load_accounts google healthy 2 well-
    google_job healthy healthy
}

check_healthy() { # WHAT
    check "$1: the healthy job's records are refreshed" compare_truth google healthy well-
    check_equal "$1: each once" 2 "$(sim_get 'accounts?provider=google&format=tsv' |
        awk -F '\t' '$1 ~ /^well-/ { n += $7 } END { print n + 0 }')"
}

# Makes the healthy records due again, also those whose token came a moment ago.
healthy_again() {
    sql "update $(own records) set refreshed_at = refreshed_at - 3600, ok_at = ok_at - 3600
        where ok_at > 0 and source like '%healthy%'"
    if [ "$STORE" = sqlite ]; then
        sql "update healthy set expires_at = strftime('%s', 'now') - 100, refreshed_at = refreshed_at - 3600"
    else
        sql "update healthy set expires_at = now() - interval '100 s', refreshed_at = refreshed_at - interval '1 hour'"
    fi
}

logs() {
    cat "$DIR/renewd.log"
}

# dump: the whole database as text.
dump() {
    if [ "$STORE" = sqlite ]; then
        sqlite3 -batch "$SQLITE_DB" .dump
    else
        pg_dump -d "$DSN" | grep -v -e '^\\restrict' -e '^\\unrestrict'
    fi
}

# token_rows TABLE [WHERE]: the tokens as they lie there, in hexadecimal.
token_rows() {
    if [ "$STORE" = sqlite ]; then
        sql "select id, hex(access_token), hex(refresh_token), expires_at from \"$1\" ${2:-} order by id"
    else
        sql "select id, encode(convert_to(access_token, 'UTF8'), 'hex'),
            encode(convert_to(refresh_token, 'UTF8'), 'hex'), expires_at from \"$1\" ${2:-} order by id"
    fi
}
