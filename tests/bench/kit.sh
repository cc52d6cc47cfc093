# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What the parts of the bench share, beside lib.sh: a cluster that keeps its promises, tables of due rows, the fast
# provider, and what a run took. Results are lines of $RESULTS: scenario, who, round, metric, value.

RESULTS=$DIR/results.tsv
PROVIDER_PID='' PROVIDER_PORT='' ROUND=1
export TEST_SECRET=hush-secret
: > "$RESULTS"
TICK=$(getconf CLK_TCK)

put() { # SCENARIO WHO METRIC VALUE
    printf '%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$ROUND" "$3" "$4" >> "$RESULTS"
}

calculate() { # EXPRESSION: of awk
    awk "BEGIN { printf \"%.6f\", $1 }"
}

# --- the databases -------------------------------------------------------------------------------

# A cluster of our own with fsync and the usual settings; the tests' cluster has neither. BENCH_PG: more settings.
start_durable_cluster() {
    main_shell start_durable_cluster || return 1
    local settings
    settings=$("$TOP/tests/pg/start" "$DIR/pg" --fsync shared_buffers=128MB ${BENCH_PG:-}) || exit 1
    eval "$settings"
    export PG_DIR PGHOST PGPORT
    POSTMASTER=$(head -n 1 "$PG_DIR/data/postmaster.pid")
}

# In ticks: of the cluster's processes, those that ended too.
pg_ticks() {
    { cat "/proc/$POSTMASTER/stat"
      for child in $(pgrep -P "$POSTMASTER"); do cat "/proc/$child/stat" 2> /dev/null; done
    } | awk -v main="$POSTMASTER" '{ n += $14 + $15 } $1 == main { n += $16 + $17 } END { print n + 0 }'
}

process_ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; } # PID

wal_bytes() { pg_admin -c "select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')"; }

status_of() { awk -v name="$2:" '$1 == name { print $2 }' "/proc/$1/status"; } # PID NAME

# new_store STORE: those of the runs before go, several at once.
new_store() {
    main_shell new_store || return 1
    if [ "$(wc -w <<< "$own_databases")" -ge 8 ]; then
        local name
        for name in $own_databases; do pg_admin -c "drop database if exists $name with (force)"; done
        own_databases=''
    fi
    rm -f "$DIR"/store-*.db*
    make_store "$1" || exit 1
    forget_renewd
    rm -f "$DIR/renewd.all"
}

# What a measurement begins with: nothing is left to be written for what was before.
settle() {
    if [ "$STORE" = postgresql ]; then
        pg_admin -c checkpoint
    else
        sql 'pragma wal_checkpoint(truncate)' > /dev/null
    fi
}

# --- the provider --------------------------------------------------------------------------------

start_provider() { # ACCOUNTS safe|single_use DELAY_MS
    main_shell start_provider || return 1
    PROVIDER_PORT=$(free_port) || exit 1
    "$BUILD/tests/bench/provider" "$PROVIDER_PORT" "$1" "$2" "$3" 2592000 2>> "$DIR/provider.log" &
    PROVIDER_PID=$!
    wait_until 60 provider_counts && return 0
    not_ok 'the provider starts' "$(cat "$DIR/provider.log")"
    exit 1
}

provider_counts() { curl -sSf --max-time 60 "http://127.0.0.1:$PROVIDER_PORT/counts" > "$DIR/counts"; }

count_of() { awk -v name="$1" '$1 == name { print $2 }' "$DIR/counts"; }

stop_provider() {
    stop_process "$PROVIDER_PID"
    PROVIDER_PID=''
}

provider_newest() { curl -sSf --max-time 600 "http://127.0.0.1:$PROVIDER_PORT/newest"; }

# --- rows ----------------------------------------------------------------------------------------

# make_rows COUNT FROM TO: the provider's accounts in a table "tokens", in no order on the disk. Their tokens end at any
# time between FROM and TO, seconds from now.
make_rows() {
    make_accounts_table tokens
    provider_newest | awk -v seed="$ROUND" -v now="$(date +%s)" -v from="$2" -v to="$3" '
        BEGIN { FS = OFS = "\t"; srand(seed) }
        { print $1, "acct-" $1, $2, $3, int(now + from + rand() * (to - from)) }' | shuf > "$DIR/rows.tsv"
    if [ "$STORE" = postgresql ]; then
        psql -XqAt -v ON_ERROR_STOP=1 -d "$DSN" <<SQL
create temporary table incoming (id bigint, account text, access_token text, refresh_token text, ends bigint);
\\copy incoming from '$DIR/rows.tsv'
insert into tokens (id, account, access_token, refresh_token, expires_at, refreshed_at)
select id, account, access_token, refresh_token, to_timestamp(ends), to_timestamp(ends - 3600) from incoming;
vacuum analyze tokens;
SQL
    else
        sqlite3 -batch -cmd '.timeout 10000' "$SQLITE_DB" <<SQL
create table incoming (id integer, account text, access_token text, refresh_token text, ends integer);
.mode tabs
.import '$DIR/rows.tsv' incoming
insert into tokens (id, account, access_token, refresh_token, expires_at, refreshed_at)
select id, account, access_token, refresh_token, ends, ends - 3600 from incoming order by id;
drop table incoming;
analyze;
SQL
    fi
    check_equal "$STORE: $1 rows are there" "$1" "$(sql 'select count(*) from tokens')" > "$DIR/said" || true
    grep -v '^ok' "$DIR/said" || true
}

# The rows that renewd's promises need, as the bare loop writes them: as few and as narrow as can be.
make_bare_rows() {
    local key='integer primary key'
    [ "$STORE" = sqlite ] || key='bigint generated by default as identity primary key'
    sql "create table bare_records (id bigint primary key, job integer, state integer, generation integer,
             hash text, fingerprint text, expires_at bigint, refreshed_at bigint, due_at bigint, ok_at bigint);
         create index bare_records_due on bare_records (due_at);
         create table bare_history (id $key, record bigint, host integer, outcome integer, finished bigint,
             spent text, brought text);
         create index bare_history_record on bare_history (record);
         create table bare_spent (fingerprint text primary key, record bigint, replaced bigint);
         create table bare_claims (id $key, host integer, until bigint, fingerprints $(
             if [ "$STORE" = sqlite ]; then echo blob; else echo bytea; fi))"
    sql "insert into bare_records select id, 1, 1, 0, '00000000000000000000000000000000',
             '00000000000000000000000000000000', 0, 0, id, 0 from tokens order by substr(access_token, 20)"
    [ "$STORE" = sqlite ] || sql 'vacuum analyze bare_records'
}

# The configuration of renewd, whose own tables are there then, and its job.
bench_job() { # KIND IN_FLIGHT
    write_conf
    write_job tokens <<JOB
plugin = "oauth2";
schedule = "0 0 1 1 *";
replay = "$1";
in_flight = $2;
$(accounts_records tokens)
settings = { token_url = "http://127.0.0.1:$PROVIDER_PORT/token"; client_id = "bench"; client_secret = "env:TEST_SECRET";
             client_auth = "post"; };
JOB
}

# --- what a run took -----------------------------------------------------------------------------

mark() { # [PID OF RENEWD]
    MARK_PG=0 MARK_WAL=0 MARK_OWN=0
    if [ "$STORE" = postgresql ]; then
        MARK_PG=$(pg_ticks) MARK_WAL=$(wal_bytes)
    fi
    [ -z "${1:-}" ] || MARK_OWN=$(process_ticks "$1")
}

# took SCENARIO WHO ROWS END_US OWN_CPU_SECONDS RSS_KB: what the provider and the cluster saw since mark.
took() {
    local scenario=$1 who=$2 rows=$3 seconds
    provider_counts
    seconds=$(calculate "($4 - $(count_of first_us)) / 1000000")
    put "$scenario" "$who" rate "$(calculate "$rows / $seconds")"
    put "$scenario" "$who" cpu "$(calculate "1000 * $5 / $rows")"
    store_took "$scenario" "$who" "$rows"
    put "$scenario" "$who" rss "$(calculate "$6 / 1024")"
    put "$scenario" "$who" open "$(count_of most_open)"
    echo "# $scenario, round $ROUND, $who: $rows rows in $seconds s"
}

# The dearest statements of a run, where the cluster counts them (BENCH_PG).
count_statements() {
    [ "$STORE" = postgresql ] && [[ ${BENCH_PG:-} == *pg_stat_statements* ]] || return 0
    pg_admin -c 'create extension if not exists pg_stat_statements; select pg_stat_statements_reset()' > "$DIR/reset.out"
}

show_statements() {
    [ "$STORE" = postgresql ] && [[ ${BENCH_PG:-} == *pg_stat_statements* ]] || return 0
    echo '# calls, ms planning, ms executing, WAL bytes, statement'
    pg_admin -F ' ' -c "select '#', calls, round(total_plan_time), round(total_exec_time), wal_bytes, left(regexp_replace(query, '\s+', ' ', 'g'), 100)
        from pg_stat_statements order by total_plan_time + total_exec_time desc limit 10"
}

store_took() { # SCENARIO WHO ROWS: of PostgreSQL since mark
    [ "$STORE" = postgresql ] || return 0
    put "$1" "$2" pg_cpu "$(calculate "1000 * ($(pg_ticks) - $MARK_PG) / $TICK / $3")"
    put "$1" "$2" wal "$(calculate "($(wal_bytes) - $MARK_WAL) / $3")"
}

# start_and_discover NAME: a daemon that has read its tables.
start_and_discover() {
    main_shell start_and_discover || return 1
    "$RENEWD" -c "$CONF" >> "$DIR/renewd.all" 2>&1 &
    RENEWD_PID=$!
    wait_until "$PATIENCE" ready_or_gone && daemon_is_ready > "$DIR/ready.out" 2>&1 && return 0
    not_ok "$1: renewd reads its tables" "$(tail -n 5 "$DIR/renewd.all")"
    exit 1
}

ready_or_gone() { ! kill -0 "$RENEWD_PID" || daemon_is_ready; }

# The provider knows what is right: each row was refreshed, no token was spent twice, the newest are in the table.
all_right() { # NAME ROWS
    check_equal "$1: every row was refreshed" "$2" "$(count_of refreshed)"
    check_equal "$1: no token was spent twice, none was made up" '0 0' "$(count_of spent) $(count_of unknown)"
    provider_newest | awk -v rows="$2" 'NR <= rows' > "$DIR/newest.tsv"
    sql_tsv 'select id, access_token, refresh_token from tokens order by id' > "$DIR/table.tsv"
    check "$1: every row has the newest tokens" cmp "$DIR/newest.tsv" "$DIR/table.tsv"
}
