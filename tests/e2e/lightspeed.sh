# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What the tests of Lightspeed connections share, beside lib.sh and strict.sh: the shipped job at the
# simulator, rows as the application writes them, what it reads, and what lives at the provider.

export LIGHTSPEED_CLIENT_ID=client-1 LIGHTSPEED_CLIENT_SECRET=hush-secret
export HEX_KEY=$RENEWD_TEST_KEY
TABLE=lightspeed_connections
. "$TOP/tests/e2e/shops.sh"

# The shipped job, asking the simulator. shipped [SCHEDULE [SETTINGS]]
shipped() {
    mkdir -p "$DIR/conf.d"
    sed -e "s,^settings = {,&\n    base_url = \"$SIM_URL/lightspeed\"; ${2:-}," -e 's/^pace = .*/pace = "0ms";/' \
        -e "${1:+s/^schedule = .*/schedule = $1;/}" "$TOP/conf.d/lightspeed.conf" > "$DIR/conf.d/lightspeed.conf"
}

# opened [WHERE]: account, access and refresh token as the application reads them.
opened() {
    local where=${1:-1 = 1}
    sql "select account_name from $TABLE where $where order by account_name" > "$DIR/names"
    sql "select access_token_encrypted from $TABLE where $where order by account_name" |
        "$BUILD/tests/e2e/hex_seal" open > "$DIR/access" || return 1
    sql "select refresh_token_encrypted from $TABLE where $where order by account_name" |
        "$BUILD/tests/e2e/hex_seal" open > "$DIR/refresh" || return 1
    paste "$DIR/names" "$DIR/access" "$DIR/refresh"
}

truth() { # PREFIX [PROVIDER]: the pairs that live are those of the connected rows
    opened "account_name like '$1-%' and status = 'connected'" | sort > "$DIR/table.tsv" || return 1
    sim_get "accounts?provider=${2:-lightspeed}&format=tsv" | cut -f 1-3 |
        awk -F '\t' -v prefix="$1-" 'index($1, prefix) == 1 && $2 != ""' | sort > "$DIR/truth.tsv" || return 1
    [ -s "$DIR/truth.tsv" ] && diff "$DIR/table.tsv" "$DIR/truth.tsv"
}

epoch() { # COLUMN
    if [ "$STORE" = sqlite ]; then echo "$1"; else echo "extract(epoch from $1)::bigint"; fi
}

status_is() { [ "$(status "$1")" = "$2" ]; }

status() { # ACCOUNT: status and whether there is a last error
    sql "select status || '|' || case when last_error is null then 'none' else 'error' end
         from $TABLE where account_name = '$1'"
}

begin() { # STORE [SCHEDULE [SETTINGS]]
    stage "$1"
    sql_file "$TOP/sql/$1/lightspeed.sql" > /dev/null 2>&1 || exit 1
    shipped "${2:-}" "${3:-}"
}
