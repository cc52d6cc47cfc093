# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Lightspeed connections as their application writes them, for lightspeed.sh and shipped.sh.

sealed_column() { # NUMBER: of the new accounts, as the application seals it
    cut -f "$1" "$DIR/accounts.tsv" | HEX_KEY=$RENEWD_TEST_KEY "$BUILD/tests/e2e/hex_seal" seal
}

# shops COUNT PREFIX [JSON MEMBERS [PROVIDER]]: accounts at the provider, and their rows: sealed, connected, of
# one user each.
shops() {
    sim 'accounts?format=tsv' "{\"provider\":\"${4:-lightspeed}\",\"count\":$1,\"prefix\":\"$2\",${3:-\"age\":5400}}" \
        > "$DIR/accounts.tsv" || return 1
    sealed_column 2 > "$DIR/access" && sealed_column 3 > "$DIR/refresh" || return 1
    paste "$DIR/accounts.tsv" "$DIR/access" "$DIR/refresh" | awk -F '\t' -v store="$STORE" '
        { time = store == "sqlite" ? $4 : "to_timestamp(" $4 ")"
          printf "insert into lightspeed_connections (user_id, account_id, account_name, access_token_encrypted,"
          printf " refresh_token_encrypted, token_expires_at) values"
          printf " (\04700000000-0000-4000-8000-%012d\047, \047%s\047, \047%s\047,", NR, $1, $1
          printf " \047%s\047, \047%s\047, %s);\n", $5, $6, time }' > "$DIR/accounts.sql"
    sql_file "$DIR/accounts.sql"
}
