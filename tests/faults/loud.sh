# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# A statement of the fault suite that fails, or a moment that does not come, makes its round mean nothing. Either is
# noted here, also from a subshell, and `told` makes it a "not ok". Sourced after lib.sh.

# trouble TEXT: it is said at once, and kept for `told`.
trouble() {
    printf '%s\n' "$*" | tee -a "$DIR/trouble" >&2
}

# told NAME: not_ok with what was noted since the last time; false then.
told() {
    [ -s "$DIR/trouble" ] || return 0
    not_ok "$1" "$(cat "$DIR/trouble")"
    rm -f "$DIR/trouble"
    return 1
}

# lib.sh's sql, sql_tsv and sql_file as quiet_sql, ...; a row that stays locked is an error, not a wait without end.
for statement in sql sql_tsv sql_file; do
    eval "quiet_$(declare -f $statement)"
done
sql() { loud quiet_sql "$1"; }
sql_tsv() { loud quiet_sql_tsv "$1"; }
sql_file() { loud quiet_sql_file "$1"; }

loud() { # FUNCTION STATEMENT-OR-FILE
    PGOPTIONS='-c lock_timeout=60s' "$@" 2> "$DIR/sql.err" && return
    trouble "on $STORE failed: $2
$(cat "$DIR/sql.err")"
    return 1
}

# await SECONDS COMMAND...: wait_until, for what must come.
await() {
    wait_until "$@" && return
    trouble "this did not come: ${*:2}"
    return 1
}
