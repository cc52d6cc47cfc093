#!/bin/bash
# SPDX-License-Identifier: MIT
# The drop-in functions as their callers call them: pg_cron's jobs in PostgreSQL, with the header that their
# HTTP client would send, five seconds at most, once by pg_cron's own tick and then by the same SQL. Beside them a
# job that asks renewd in SQL. Answers and tables are what the callers count on, each token is refreshed once at
# its provider, and the credit is granted once, however many ask for it.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"
. "$(dirname "$0")/shipped.sh"

VERSION=$(find /usr/lib/postgresql/*/bin -name initdb 2> /dev/null | cut -d / -f 5 | sort -V | tail -n 1)
[ -e "/usr/lib/postgresql/$VERSION/lib/pg_cron.so" ] ||
    left_out "postgresql-$VERSION-cron" "pg_cron for PostgreSQL $VERSION is not installed"

export SERVICE_KEY=hush-service-key-0123456789
PORT=$(free_port)

# A cluster of our own: pg_cron is loaded at its start and lives in one database.
own_cluster() {
    local settings
    settings=$("$TOP/tests/pg/start" "$DIR/pg" shared_preload_libraries=pg_cron cron.database_name=renewd_test \
        cron.host=127.0.0.1) || exit 1
    eval "$settings"
    export PG_DIR PGHOST PGPORT
    STORE=postgresql DSN=$RENEWD_TEST_DSN
    psql -XqAt -v ON_ERROR_STOP=1 -d "${DSN/user=renewd_test/user=postgres}" -c "create extension pg_cron;
        grant usage on schema cron to renewd_test; grant pg_execute_server_program to renewd_test" || exit 1
}

key_file() { # NAME HEADER: what the callers' HTTP client sends, readable for the server's user alone
    (umask 077 && printf '%s' "$2" > "$DIR/$1")
    [ "$(id -u)" != 0 ] || chown postgres "$DIR/$1"
}

prepare() {
    local name
    forget_renewd
    write_conf
    sed -i '/^api = /d' "$CONF"
    cat >> "$CONF" <<CONF
api = { socket = "$SOCKET"; listen = "127.0.0.1:$PORT";
        clients = ( { name = "scheduler"; secret = "env:SERVICE_KEY"; jobs = [ "*" ]; allow = [ "functions" ]; } ); };
CONF
    for name in airpublisher lightspeed free_plan; do sql_file "$TOP/sql/postgresql/$name.sql"; done > /dev/null
    for name in youtube tiktok lightspeed free-plan; do
        shipped $name -e 's/^schedule = .*/schedule = "0 0 1 1 *";/' -e 's/^pace = .*/pace = "0ms";/'
    done
    creators youtube 4 yt
    creators tiktok 3 tt
    shops 3 shop
    sim revoke '{"provider":"lightspeed","account":"shop-3"}' > /dev/null
    free_users 5
    key_file right "Authorization: Bearer $SERVICE_KEY"
    key_file wrong 'Authorization: Bearer hush-another'
    key_file none ''
}

# What stands for an HTTP client in SQL: call(function, body, key); the view answers has what came back.
caller() {
    cat > "$DIR/caller.sql" <<SQL
create table lines (id bigint generated always as identity, line text);
create view answers as select id, part[1] as function, part[2] as body, part[3] as status
    from (select id, regexp_match(line, '^(\S+) (.*) (\d{3})\$') as part from lines) l;
create function call(function text, body json, key text default 'right') returns void language plpgsql as \$\$
begin
    execute format('copy lines (line) from program %L with (format csv, delimiter e''\x01'', quote e''\x02'')',
        'printf ''%s '' ' || function || '; curl -sS --max-time 5 -X POST -H ''Content-Type: application/json'' ' ||
        '-H ''User-Agent: pg_net/0.8.0'' -H @$DIR/' || key || ' --data-binary ''' ||
        replace(body::text, '''', '''\''''') || ''' -w '' %{http_code}'' ' ||
        'http://127.0.0.1:$PORT/functions/v1/' || function || ' 2>&1 | tr -d ''\n''; echo');
end \$\$;
SQL
    sql_file "$DIR/caller.sql"
}

refresh() { # PLATFORM ACCOUNT-SQL [FROM...]: a call for each of such accounts
    echo "select call('refresh-token', json_build_object('platform', '$1', 'creator_unique_identifier', $2)) ${*:3}"
}

YOUTUBE=$(refresh youtube creator_unique_identifier "from (select creator_unique_identifier from airpublisher_youtube_tokens
    where expires_at is null or expires_at < now() + interval '5 minutes' order by expires_at nulls first limit 10) due")
TIKTOK='select refresh_expired_tiktok_tokens()'
LIGHTSPEED="select call('refresh-lightspeed-tokens', '{}')"
CREDIT="select call('allocate-periodic-tokens', '{}')"

cron_job() { sql "select cron.schedule('$1', '* * * * *', \$job\$$2\$job\$)" > /dev/null; }

# Each job has run once to its end, and renewd through what it was asked for in SQL.
ticked() {
    [ "$(sql "select count(distinct jobid) from cron.job_run_details where status in ('succeeded', 'failed')")" = 5 ] &&
        [ "$(sim_count tiktok ok)" = 3 ]
}

answered() { # FUNCTION: the statuses and bodies that it answered, in their order
    sql "select status || ' ' || body from answers where function = '$1' order by id"
}

last() { sql "select status || ' ' || body from answers order by id desc limit 1"; }

says() { # NAME SQL ANSWER: this call is answered so
    sql "$2" > /dev/null || not_ok "$1: the SQL"
    check_equal "$1" "$3" "$(last)"
}

matches() { # NAME SQL REGEX
    sql "$2" > /dev/null || not_ok "$1: the SQL"
    check_match "$1" "$3" "$(last)"
}

# The rows hold what lives at the provider, and that is what was answered.
tokens_agree() {
    local row state=0
    while read -r row; do
        [ "$(sim_token "$row" state)" = live ] || { echo "a row's token of ${#row} bytes does not live"; state=1; }
    done < <(sql "select google_access_token from airpublisher_youtube_tokens
                  union all select tiktok_access_token from airpublisher_tiktok_tokens")
    [ "$(sql "select count(*) from answers a join airpublisher_youtube_tokens t
        on a.body::json->>'access_token' = t.google_access_token where a.function = 'refresh-token'")" = 4 ] || state=1
    return $state
}

tick() {
    local s="a tick of pg_cron"
    cron_job refresh-expired-youtube-tokens "$YOUTUBE"
    cron_job refresh-expired-tiktok-tokens "$TIKTOK"
    cron_job refresh-lightspeed-tokens-every-6h "$LIGHTSPEED"
    cron_job monthly-token-allocation "$CREDIT"
    cron_job the-same-by-another-scheduler "$CREDIT"
    check "$s: every job ran" wait_until 70 ticked
    sql 'select cron.unschedule(jobid) from cron.job' > /dev/null
    check_equal "$s: and none failed" '' \
        "$(sql "select command, return_message from cron.job_run_details where status = 'failed'")"
    check_equal "$s: every call is answered 200" t "$(sql "select bool_and(status is not null and status = '200') from answers")"
    check_equal "$s: each token is refreshed once at its provider" '4 3 2' \
        "$(sim_count google ok) $(sim_count tiktok ok) $(sim_count lightspeed ok)"
    check "$s: the rows hold them, and the answers had them" tokens_agree
    check_equal "$s: callers know each by its members" 4 "$(sql "select count(*) from answers where function = 'refresh-token'
        and body::json->>'success' = 'true' and (body::json->>'expires_at')::timestamptz > now()")"
    check_match "$s: two connections are refreshed, one failed" \
        '^200 \{"success":true,"message":"Token refresh complete","refreshed":2,"failed":1,"errors":\[\{"userId":"00000000-0000-4000-8000-000000000003","error":"[^"]+"\}\]\}$' \
        "$(answered refresh-lightspeed-tokens | head -n 1)"
    check_equal "$s: which its row says" 'connected 2,expired 1' "$(sql "select string_agg(status || ' ' || n, ',' order by status)
        from (select status, count(*) n from lightspeed_connections group by 1) c")"
    credited "$s"
}

# What is left of the time before is told, to a role that may see it; to another nothing is said, and nothing breaks.
left_over() {
    local s="left over" out
    sql "select cron.schedule('old-lightspeed', '0 */6 * * *', 'SELECT refresh_lightspeed_tokens()')" > /dev/null
    sql "select cron.schedule('youtube-by-hand', '0 0 1 1 *', \$job\$$YOUTUBE\$job\$)" > /dev/null
    sql "select cron.schedule('another', '0 0 1 1 *', 'select my_refresh_lightspeed_tokens_too()')" > /dev/null
    out=$(ctl explain lightspeed)
    check_match "$s: explain names the job that calls the same function" \
        'warning: pg_cron still has an active job that calls the same: "old-lightspeed" \(0 \*/6 \* \* \*\).*cron.unschedule\(.old-lightspeed.\)' "$out"
    check_no_match "$s: and not one with a longer name" 'another' "$out"
    check_match "$s: the endpoint with the platform beside it" 'warning: pg_cron.*"youtube-by-hand"' "$(ctl explain youtube)"
    check_no_match "$s: which is not another platform's" 'pg_cron' "$(ctl explain tiktok)"
    check_match "$s: for programs as well" '"pg_cron": *"pg_cron still has' "$(ctl --json explain lightspeed)"
    psql -XqAt -d "${DSN/user=renewd_test/user=postgres}" \
        -c "select cron.alter_job(jobid, active := false) from cron.job where jobname = 'old-lightspeed'" > /dev/null
    check_no_match "$s: one that is not active does nothing" 'pg_cron' "$(ctl explain lightspeed)"
    psql -XqAt -d "${DSN/user=renewd_test/user=postgres}" -c 'revoke usage on schema cron from renewd_test'
    out=$(ctl explain youtube) || not_ok "$s: explain without the right to look"
    check_no_match "$s: without the right to look nothing is said" 'pg_cron|denied' "$out"
    psql -XqAt -d "${DSN/user=renewd_test/user=postgres}" -c 'grant usage on schema cron to renewd_test'
    sql 'select cron.unschedule(jobid) from cron.job' > /dev/null
}

# Two jobs asked in the same second: whoever was answered what, each user has one month.
credited() { # NAME
    check_equal "$1: each wallet is credited once" '5|100000|100000' \
        "$(sql 'select count(*), min(balance), max(balance) from token_wallets')"
    check_equal "$1: in one transaction each" '5|5' "$(sql "select count(*), count(distinct user_id)
        from token_wallet_transactions where type = 'CREDIT_ALLOCATION_FREE_PLAN' and amount = 100000")"
    check_equal "$1: the answers count each user once" 5 "$(answered allocate-periodic-tokens |
        sed -n 's/.*Tokens awarded to: \([0-9]*\)\..*/\1/p' | awk '{ n += $1 } END { print n + 0 }')"
    check_equal "$1: and nobody failed" '' "$(answered allocate-periodic-tokens | grep -vE 'Failed attempts: 0\.|No users due')"
}

monitored() { # the query of today, with cron. replaced
    local query="select jobname, d.status from cron.job j join cron.job_run_details d using (jobid)
        where jobname in ('refresh-expired-tiktok-tokens', 'monthly-token-allocation') group by 1, 2 order by 1"
    check_equal "the query of monitoring works with cron. replaced by renewd." \
        $'monthly-token-allocation|succeeded\nrefresh-expired-tiktok-tokens|succeeded' "$(sql "${query//cron./renewd.}")"
}

directly() {
    local s=directly
    sim mark '{}' > /dev/null
    check_equal "$s: no token is due, nobody is called" '' "$(sql "$YOUTUBE")"
    says "$s: no connection is due" "$LIGHTSPEED" '200 {"success":true,"message":"No connections to refresh","refreshed":0}'
    says "$s: no user is due" "$CREDIT" '200 {"message":"No users due for allocation."}'
    credited "$s"
    check_equal "$s: no provider was asked" '0 0' "$(sim_count google requests) $(sim_count lightspeed requests)"
    says "$s: no such account" "$(refresh youtube "'it''s nobody'")" '404 {"error":"Tokens not found"}'
    says "$s: a member is missing" "select call('refresh-token', '{\"platform\":\"youtube\"}')" \
        '400 {"error":"Missing platform or creator_unique_identifier"}'
    says "$s: an unknown function" "select call('no-such', '{}')" \
        '404 {"code":"NOT_FOUND","message":"Requested function was not found"}'
    matches "$s: a key that is NULL in SQL" "select call('allocate-periodic-tokens', '{}', 'none')" \
        '^401 \{"code":"UNAUTHORIZED_NO_AUTH_HEADER","message":"Missing authorization header",'
    matches "$s: another key" "select call('allocate-periodic-tokens', '{}', 'wrong')" '^401 .*Invalid JWT'
    creators youtube 1 late
    sim revoke '{"provider":"google","account":"late-1"}' > /dev/null
    matches "$s: a grant that is revoked" "$YOUTUBE" '^400 \{"error":"Token refresh failed","details":"invalid_grant: '
    sql "update airpublisher_youtube_tokens set google_refresh_token = null where creator_unique_identifier = 'yt-3'"
    says "$s: no refresh token" "$(refresh youtube "'yt-3'")" '400 {"error":"No refresh token available"}'
    sql "update subscription_plans set tokens_to_award = 0"
    says "$s: an award that is not set" "$CREDIT" \
        '500 {"error":"Free plan tokens_to_award is not configured or is zero."}'
}

start_simulator
own_cluster
prepare
start_ready || { tail -5 "$DIR/renewd.all"; exit 1; }
check "functions.sql is applied" sql_file "$TOP/sql/postgresql/functions.sql"
caller
tick
monitored
directly
left_over
stop_renewd
check_equal "no statement holds the key" 0 "$(grep -c hush-service "$DIR/pg/data/log")"
no_tokens_in_logs
finish
