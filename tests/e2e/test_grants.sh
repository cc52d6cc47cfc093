#!/bin/bash
# SPDX-License-Identifier: MIT
# PostgreSQL as a careful DBA has it: tables of one role, renewd's own role with the rights of sql/postgresql/grants-*.sql
# and no other. Each of the five systems works so. functions.sql puts its functions where it is told whatever the role is
# called, replaces what stood there, and changes nothing where a right is missing.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/shipped.sh"
. "$(dirname "$0")/graph.sh"

LEAST=renewd_least_$$ APP=renewd_tables_$$ CALLER=renewd_caller_$$
FUNCTIONS='refresh_expired_youtube_tokens refresh_expired_instagram_tokens refresh_expired_tiktok_tokens
    refresh_lightspeed_tokens allocate_periodic_tokens'

as() { # ROLE PSQL-ARGUMENT...
    psql -XqAt -v ON_ERROR_STOP=1 -d "$(sed "s/user=[^ ]*/user=$1/" <<< "$DSN")" "${@:2}" 2>&1
}

# A new database with the system's tables, which belong to $APP, and renewd's role with its grants.
system() { # NAME
    s=$1
    make_store postgresql
    forget_renewd
    as postgres -c "grant create on database $(db_name) to $APP; grant all on schema public to $APP" > /dev/null
    as "$APP" -f "$TOP/sql/postgresql/$1.sql" > /dev/null 2>&1 || not_ok "$s: its tables"
    check "$s: the grants are applied" as postgres -v role="$LEAST" -f "$TOP/sql/postgresql/grants-$1.sql"
    check "$s: and again" as postgres -v role="$LEAST" -f "$TOP/sql/postgresql/grants-$1.sql"
    DSN=${DSN/user=renewd_test/user=$LEAST}
    write_conf
    DSN=${DSN/user=$LEAST/user=$APP}
}
db_name() { sed 's/.*dbname=//' <<< "$DSN"; }

nothing_refused() {
    check_no_match "$s: no right is missing" 'permission denied|GRANT ' "$(cat "$DIR/renewd.log")"
    check_equal "$s: the role owns its own schema and nothing else" 0 "$(as postgres -c "select count(*) from pg_class c
        join pg_namespace n on n.oid = c.relnamespace where pg_get_userbyid(c.relowner) = '$LEAST' and n.nspname <> 'renewd'
        and n.nspname <> 'pg_toast'")"
    check_equal "$s: and may make no other" f "$(as postgres -c "select has_database_privilege('$LEAST', '$(db_name)', 'create')
        or has_schema_privilege('$LEAST', 'public', 'create')")"
}

airpublisher() {
    system airpublisher
    creators youtube 3 yt
    creators tiktok 3 tt
    creators instagram 2 ig
    for name in youtube tiktok instagram; do shipped $name; done
    check "$s: --once" run_renewd --once
    check_equal "$s: each is refreshed" '3 3 2' "$(sim_count google ok) $(sim_count tiktok ok) $(sim_count instagram ok)"
    nothing_refused
}

lightspeed() {
    system lightspeed
    shops 3 shop
    sim revoke '{"provider":"lightspeed","account":"shop-3"}' > /dev/null
    shipped lightspeed -e 's/^pace = .*/pace = "0ms";/'
    run_renewd --once > /dev/null 2>&1
    check_equal "$s: two are refreshed" 2 "$(sim_count lightspeed ok)"
    nothing_refused
}

free_plan() {
    system free_plan
    free_users 3
    shipped free-plan
    check "$s: --once" run_renewd --once
    check_equal "$s: each wallet has its credit" '3|100000|100000' \
        "$(sql "select count(*), min(balance), max(balance) from token_wallets")"
    check_equal "$s: each credit its transaction" 3 "$(sql 'select count(*) from token_wallet_transactions')"
    nothing_refused
}

meta() {
    system meta
    account facebook one '"age":4838400'
    sql "insert into \"App\" (\"id\", \"name\", \"userId\") values ('1', 'app', 'user')"
    sql "insert into \"AppSettings\" (\"id\", \"appId\", \"metaPixelId\", \"metaAccessToken\", \"metaTokenExpiresAt\")
         values ('1', '1', 'px', $(text "$TOKEN"), $(time_sql "$EXPIRES" without))"
    job meta.conf facebook
    check "$s: --once" run_renewd --once
    check_equal "$s: the token is exchanged" 1 "$(sim_account facebook one refresh_ok)"
    nothing_refused
    check_equal "$s: the application reads its view beside renewd" Valid "$(as "$APP" -c 'select status from "MetaTokenStatus"')"
    as postgres -c 'update renewd.records set state = 4' > /dev/null
    check_equal "$s: and learns what is dead" 'Reconnect needed' "$(as "$APP" -c 'select status from "MetaTokenStatus"')"
    check_match "$s: renewd's tables are not shown to it" 'permission denied' "$(as "$APP" -c 'select 1 from renewd.records')"
    as postgres -c "grant select on \"App\", \"AppSettings\", \"MetaTokenStatus\" to $CALLER" > /dev/null
    check_match "$s: another reader is told what it needs" "GRANT USAGE ON SCHEMA renewd TO $CALLER" \
        "$(as "$CALLER" -c 'select status from "MetaTokenStatus"')"
    as postgres -c "grant usage on schema renewd to $CALLER" > /dev/null
    check_match "$s: and of the function" "GRANT EXECUTE ON FUNCTION renewd.grant_is_dead\\(text, text\\) TO $CALLER" \
        "$(as "$CALLER" -c 'select status from "MetaTokenStatus"')"
    as postgres -c "grant execute on function renewd.grant_is_dead(text, text) to $CALLER" > /dev/null
    check_equal "$s: and has it then" 'Reconnect needed' "$(as "$CALLER" -c 'select status from "MetaTokenStatus"')"
}

instagram_saas() {
    system instagram_saas
    account facebook saas '"age":4838400'
    sql "insert into users (id, email, username) values (1, 'a@example.com', 'ana')"
    sql "insert into instagram_connections (user_id, access_token, token_expires_at)
         values (1, $(text "$TOKEN"), $(time_sql "$EXPIRES" without))"
    job instagram-connections.conf facebook
    check "$s: --once" run_renewd --once
    check_equal "$s: the token is exchanged" 1 "$(sim_account facebook saas refresh_ok)"
    check_equal "$s: the row says so" '0|t' "$(sql "select refresh_attempts, token_refreshed_at is not null from instagram_connections")"
    check_equal "$s: the owner's mark was written" f "$(sql 'select show_token_warning from users')"
    nothing_refused
}

# What is refused is told as the GRANT that mends it, all of it at once.
refused() {
    local said
    system airpublisher
    s="a right that is missing"
    creators youtube 1 yt
    shipped youtube
    as postgres -c "revoke select (expires_at), update (google_access_token) on airpublisher_youtube_tokens from $LEAST"
    run_renewd --once youtube > /dev/null 2>&1
    said=$(cat "$DIR/renewd.log")
    check_match "$s: a column that may not be read" "GRANT SELECT \(expires_at\), UPDATE \(google_access_token\) ON public.airpublisher_youtube_tokens TO $LEAST" "$said"
    as postgres -c "$(grep -oE 'GRANT SELECT[^;]*;' <<< "$said" | head -n 1)"
    check "$s: with that statement it works" run_renewd --once youtube
    check_equal "$s: and the account is refreshed" 1 "$(sim_count google ok)"
}

refused_statement() {
    system free_plan
    s="a statement's right that is missing"
    free_users 1
    shipped free-plan
    as postgres -c "revoke insert (wallet_id, user_id, type, amount, performed_by, idempotency_key, created_at)
        on token_wallet_transactions from $LEAST; revoke update (balance) on token_wallets from $LEAST"
    run_renewd --once > /dev/null 2>&1
    check_match "$s: the GRANT that mends it is told" 'statement credit: .*GRANT SELECT, UPDATE ON token_wallets' \
        "$(cat "$DIR/renewd.log")"
    check_match "$s: and at once what another statement lacks" \
        'job held.*statement credit: .*statement transaction: .*mended by GRANT INSERT ON token_wallet_transactions' \
        "$(cat "$DIR/renewd.log")"
    check_equal "$s: nothing is tried before" 0 "$(as postgres -c 'select count(*) from renewd.attempts')"
    check_equal "$s: nothing is half done" '0|0' "$(sql "select (select max(balance) from token_wallets), (select count(*) from token_wallet_transactions)")"
}

apply() { as "$1" "${@:2}" -f "$TOP/sql/postgresql/functions.sql"; } # ROLE [-v schema=...]
where_functions() { # SCHEMA: how many of them it has
    as postgres -c "select count(*) from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname = '$1'
        and p.proname = any (string_to_array('${FUNCTIONS//$'\n'/ }', ' '))"
}

functions() {
    local said
    system airpublisher
    s="functions.sql"
    as postgres -c "drop schema renewd cascade" > /dev/null 2>&1 # as it is before any renewd was here
    as postgres -v role="$LEAST" -f "$TOP/sql/postgresql/grants-airpublisher.sql"
    said=$(apply "$LEAST")
    check_match "$s: before renewd's first start it says so" 'was not started on this database yet' "$said"
    shipped youtube
    check "$s: a first start" run_renewd --once
    as "$APP" -c "create function refresh_expired_youtube_tokens() returns void language sql as 'select null::void'"
    said=$(apply "$LEAST")
    check_match "$s: what its role lacks is named" "GRANT CREATE ON SCHEMA public TO $LEAST" "$said"
    check_match "$s: all of it at once" 'DROP FUNCTION refresh_expired_youtube_tokens\(\)' "$said"
    check_equal "$s: nothing was changed" '1 void' "$(where_functions public) $(as postgres -c \
        "select prorettype::regtype from pg_proc where proname = 'refresh_expired_youtube_tokens'")"
    check_no_match "$s: no COMMIT is said" 'COMMIT' "$said"
    as postgres -c "grant create on schema public to $LEAST; drop function refresh_expired_youtube_tokens()"
    check "$s: when a DBA has done that" apply "$LEAST"
    check_equal "$s: they stand in public" '5 0' "$(where_functions public) $(where_functions renewd)"
    as postgres -c "grant execute on function refresh_expired_youtube_tokens() to $CALLER"
    check "$s: applied again" apply "$LEAST"
    check_match "$s: whom it was granted to may call it" '^[0-9]+$' \
        "$(as "$CALLER" -c 'select refresh_expired_youtube_tokens()' | grep -E '^[0-9]+$')"

    as postgres -c "create schema app authorization $APP" > /dev/null
    said=$(apply "$APP" -v schema=app)
    check_match "$s: the owner of the schema needs the right to call" \
        "GRANT EXECUTE ON FUNCTION renewd.run\(text\), renewd.request_run\(text\) TO $APP" "$said"
    as postgres -c "grant usage on schema renewd to $APP; grant execute on function renewd.run(text), renewd.request_run(text) to $APP"
    said=$(apply "$APP" -v schema=app)
    check_equal "$s: with it, it can" 5 "$(where_functions app)"
    check_match "$s: and hears of the others, which stay" 'WARNING.*another function stays as it is.*in the schema public' "$said"
    check_match "$s: they work" '^[0-9]+$' "$(as "$APP" -c 'select app.refresh_expired_tiktok_tokens()' | grep -E '^[0-9]+$' ||
        as "$APP" -c 'select app.refresh_expired_youtube_tokens()' | grep -E '^[0-9]+$')"
    check "$s: by a superuser" apply postgres -v schema=app
    check_equal "$s: they do not run as one" 0 "$(as postgres -c "select count(*) from pg_proc p join pg_roles r on r.oid = p.proowner
        where r.rolsuper and p.proname = any (string_to_array('${FUNCTIONS//$'\n'/ }', ' '))")"
    check_match "$s: a schema that is not there" 'there is no schema nowhere' "$(apply "$LEAST" -v schema=nowhere)"
    check_match "$s: renewd's own is none for them" 'do not go into the schema renewd' "$(apply "$LEAST" -v schema=renewd)"
}

# The role that README makes: its "$user" schema is renewd's own.
called_renewd() {
    s="a role called renewd"
    LEAST=renewd
    [ -z "$(pg_admin -c "select 1 from pg_roles where rolname = 'renewd'")" ] || { echo "# another test uses it"; return; }
    pg_admin -c "create role renewd login" > /dev/null
    system airpublisher
    s="a role called renewd"
    shipped youtube
    check "$s: a first start" run_renewd --once
    as postgres -c "grant create on schema public to renewd" > /dev/null
    as renewd -c "create function renewd.refresh_expired_youtube_tokens() returns bigint language sql as 'select 1::bigint'"
    check "$s: functions.sql" apply renewd
    check_equal "$s: they stand in public, and none in its own" '5 0' "$(where_functions public) $(where_functions renewd)"
}

pg_roles() {
    make_store postgresql
    pg_admin -c "create role $LEAST login; create role $APP login; create role $CALLER login" > /dev/null
}

start_simulator
pg_roles
airpublisher
lightspeed
free_plan
meta
instagram_saas
sim reset '{}' > /dev/null
refused
refused_statement
functions
called_renewd
for database in $own_databases; do pg_admin -c "drop database if exists $database with (force)" > /dev/null 2>&1; done
pg_admin -c "drop role if exists renewd" -c "drop role if exists renewd_least_$$" -c "drop role if exists $APP" \
    -c "drop role if exists $CALLER" > /dev/null 2>&1
no_tokens_in_logs
finish
