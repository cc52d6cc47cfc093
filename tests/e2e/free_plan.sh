# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What the tests of the free plan's credit share, beside lib.sh: the shipped tables and job, users with a
# period and a wallet. AT is the time that --once is told. A failure at random is repeated with SEED.

SEED=${SEED:-$RANDOM}
RANDOM=$SEED
echo "# SEED=$SEED"

at() { # SQL for a time
    if [ "$STORE" = postgresql ]; then echo "timestamptz '$1+00'"; else echo "unixepoch('$1')"; fi
}

uuid() { printf '00000000-0000-4000-8000-%012d' "$1"; }

day_sql() { # COLUMN: as text in UTC
    if [ "$STORE" = postgresql ]; then echo "to_char($1 at time zone 'UTC', 'YYYY-MM-DD')"
    else echo "date($1, 'unixepoch')"; fi
}

job() { # MORE SETTINGS
    sed -e '/^functions/d' -e '/^settings = {/a\    '"${1:-}" "$TOP/conf.d/free-plan.conf" > "$DIR/conf.d/free-plan.conf"
    [ -z "${1:-}" ] || sed -i '/catch_up = "each"/d' "$DIR/conf.d/free-plan.conf"
    echo "statements = \"$TOP/sql/$STORE/free_plan_alloc\";" >> "$DIR/conf.d/free-plan.conf"
}

second_host() { # a configuration of its own on the same store
    mkdir -p "$DIR/state2"
    chmod 700 "$DIR/state2"
    sed -e 's/state_dir = "state"/state_dir = "state2"/' -e "s,$SOCKET,$DIR/second.sock," "$CONF" > "$DIR/second.conf"
}

stage() { # STORE
    make_store "$1"
    forget_renewd
    rm -rf "$DIR/state2"
    write_conf
    second_host
    sql_file "$TOP/sql/$STORE/free_plan.sql"
    sql "insert into subscription_plans (id, item_id_internal, name, tokens_to_award) values
         ('$(uuid 1)', 'SYSTEM_FREE_TIER_MONTHLY_ALLOWANCE', 'Free', 100000), ('$(uuid 2)', 'PRO', 'Pro', 7)"
    job "${2:-}"
}

user() { # NUMBER START END [PLAN STATUS]
    local id
    id=$(uuid $((1000 + $1)))
    echo "insert into user_subscriptions (id, user_id, plan_id, status, current_period_start, current_period_end)
          values ('$id', '$id', '$(uuid "${4:-1}")', '${5:-free}', $(at "$2 00:00:00"), $(at "$3 00:00:00"));"
}

wallet() { # NUMBER [BALANCE]
    local id
    id=$(uuid $((1000 + $1)))
    echo "insert into token_wallets (id, user_id, balance) values ('$id', '$id', ${2:-0});"
}

once() { run_at_time "$AT" --once; }
