# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What the tests of the shipped jobs share, beside lib.sh: the jobs as they are shipped, at the simulator,
# and the rows of the publisher's three tables.

export GOOGLE_CLIENT_ID_ALYAN=client-1 GOOGLE_CLIENT_SECRET_ALYAN=hush-google \
    INSTAGRAM_APP_ID_ALYAN=app INSTAGRAM_APP_SECRET_ALYAN=hush-instagram \
    TIKTOK_CLIENT_KEY_ALYAN=key-1 TIKTOK_CLIENT_SECRET_ALYAN=hush-tiktok \
    LIGHTSPEED_CLIENT_ID=client-1 LIGHTSPEED_CLIENT_SECRET=hush-lightspeed
. "$TOP/tests/e2e/shops.sh"

# shipped NAME [SED...]: conf.d/NAME.conf as shipped, but for where its provider is.
shipped() {
    local url
    case $1 in
        youtube) url="base_url = \"$SIM_URL/google\";" ;;
        instagram | tiktok | lightspeed) url="base_url = \"$SIM_URL/$1\";" ;;
        instagram-facebook) url="facebook_url = \"$SIM_URL/facebook\";" ;;
        free-plan) url='' ;;
        *) echo "shipped: $1?" >&2; return 1 ;;
    esac
    mkdir -p "$DIR/conf.d"
    sed -e "s,^settings = {,&\n    $url," "${@:2}" "$TOP/conf.d/$1.conf" > "$DIR/conf.d/$1.conf"
    [ "$1" != free-plan ] || echo "statements = \"$TOP/sql/$STORE/free_plan_alloc\";" >> "$DIR/conf.d/$1.conf"
}

# creators JOB COUNT PREFIX [JSON MEMBERS]: new accounts at the job's provider, and their rows. Left out:
# tokens that ended two hours ago; of Instagram those that end within a week.
creators() {
    local provider=$1 columns="$1_access_token, $1_refresh_token" members=${4:-'"age":10800'}
    case $1 in
        youtube) provider=google columns='google_access_token, google_refresh_token' ;;
        tiktok) members=${4:-'"age":93600'} ;;
        instagram) columns=instagram_access_token members=${4:-'"age":4838400'} ;;
    esac
    sim 'accounts?format=tsv' "{\"provider\":\"$provider\",\"count\":$2,\"prefix\":\"$3\",$members}" \
        > "$DIR/accounts.tsv" || return 1
    awk -F '\t' -v table="airpublisher_$1_tokens" -v columns="$columns" -v store="$STORE" '
        BEGIN { print "begin;" }
        { time = store == "sqlite" ? $4 : "to_timestamp(" $4 ")"
          gsub(/\047/, "\047\047")
          values = "\047" $2 "\047" (columns ~ /,/ ? ", \047" $3 "\047" : "")
          printf "insert into %s (creator_unique_identifier, %s, expires_at)", table, columns
          printf " values (\047%s\047, %s, %s);\n", $1, values, time }
        END { print "commit;" }' "$DIR/accounts.tsv" > "$DIR/accounts.sql"
    sql_file "$DIR/accounts.sql"
}

# free_users COUNT: users of the free plan whose month ended yesterday, with empty wallets.
free_users() {
    local start end i id plan=00000000-0000-4000-8000-000000000001
    if [ "$STORE" = sqlite ]; then
        start="unixepoch('now', '-32 days')" end="unixepoch('now', '-1 day')"
    else
        start="now() - interval '32 days'" end="now() - interval '1 day'"
    fi
    sql "insert into subscription_plans (id, item_id_internal, name, tokens_to_award) values
         ('$plan', 'SYSTEM_FREE_TIER_MONTHLY_ALLOWANCE', 'Free', 100000)" || return 1
    for ((i = 1; i <= $1; i++)); do
        id=$(printf '00000000-0000-4000-8000-%012d' $((1000 + i)))
        echo "insert into user_subscriptions (id, user_id, plan_id, status, current_period_start, current_period_end)
              values ('$id', '$id', '$plan', 'free', $start, $end);
              insert into token_wallets (id, user_id, balance) values ('$id', '$id', 0);"
    done > "$DIR/users.sql"
    sql_file "$DIR/users.sql"
}
