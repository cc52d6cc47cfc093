#!/bin/bash
# SPDX-License-Identifier: MIT
# The dsn: no part of a password in any output, whatever its characters, through --check, --once, the daemon's log,
# status and the API; parameters that libpq does not know; and what waiting does not mend is told at once with its
# remedy, at start and by a daemon that was running.
export DOUBT=1 # the database is as an operator gives it, without anything of renewd's
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/bad.sh"

pg_bin() {
    local bin
    bin=$(find /usr/lib/postgresql/*/bin -name pg_ctl -printf '%h\n' 2> /dev/null | sort -V | tail -n 1)
    echo "${bin:-$(dirname "$(command -v pg_ctl)")}"
}

# A cluster of our own, in which everybody but its superuser shows a password over TCP.
own_cluster() {
    local settings
    settings=$("$TOP/tests/pg/start" "$DIR/pg") || exit 1
    eval "$settings"
    export PG_DIR PGHOST PGPORT
    local hba=$DIR/pg/data/pg_hba.conf
    {
        echo 'host all nohba 127.0.0.1/32 reject'
        echo 'host all all 127.0.0.1/32 scram-sha-256'
        echo 'local all all trust'
    } > "$DIR/hba"
    cat "$DIR/hba" > "$hba"
    pg_admin -c 'select pg_reload_conf()' > /dev/null
}

# Every part of it between such characters is at least four letters long, so that a part that is shown is found.
PARTS='Qfirst|Qsecond|Qthird'

password_of() { # SHAPE
    case $1 in
        slash) echo 'Qfirst/Qsecond' ;;
        at) echo 'Qfirst@Qsecond' ;;
        both) echo 'Qfirst@Qsecond/Qthird' ;;
        port) echo '5432/Qsecond' ;;
        hash) echo 'Qfirst#Qsecond' ;;
        percent) echo 'Qfirst%Qsecond' ;;
        question) echo 'Qfirst?Qsecond' ;;
        query) echo 'Qfirst@Qsecond?Qthird=1&Qfirst' ;;
        colon) echo 'Qfirst:Qsecond' ;;
        space) echo 'Qfirst Qsecond=Qthird' ;;
        quote) echo "Qfirst'Qsecond\"Qthird" ;;
        backslash) echo 'Qfirst\Qsecond' ;;
        all) echo "Qfirst/@#%?: '\"\\Qsecond" ;;
    esac
}

encoded() { # TEXT
    local i c
    for ((i = 0; i < ${#1}; i++)); do
        c=${1:i:1}
        case $c in
            [A-Za-z0-9]) printf %s "$c" ;;
            *) printf '%%%02X' "'$c" ;;
        esac
    done
}

shapes() {
    local shape password user=renewd_shape
    pg_admin -c "create role $user login" -c "alter database ${DSN##*dbname=} owner to $user"
    : > "$DIR/shapes.out"
    for shape in slash at both port hash percent question query colon space quote backslash all; do
        password=$(password_of $shape)
        pg_admin -v p="$password" <<< "alter role $user password :'p'"
        export RENEWD_TEST_STORE="postgresql://$user:$password@127.0.0.1:$PGPORT/${DSN##*dbname=}"
        "$RENEWD" -c "$CONF" --check > "$DIR/check.out" 2>&1
        local checked=$?
        "$RENEWD" -c "$CONF" --once > "$DIR/once.out" 2>&1
        local once=$?
        cat "$DIR/check.out" "$DIR/once.out" >> "$DIR/shapes.out"
        if [ $checked = 78 ]; then
            check_equal "$shape as it is: --once does not begin either" 78 $once
            check_match "$shape as it is: what to encode, and where" \
                "setting 'dsn': the dsn cannot be used: .*percent-encode|write %" "$(cat "$DIR/check.out")"
        else
            check_equal "$shape as it is: --check knows of nothing, and it is so" '0 0' "$checked $once"
        fi
        RENEWD_TEST_STORE="postgresql://$user:$(encoded "$password")@127.0.0.1:$PGPORT/${DSN##*dbname=}"
        "$RENEWD" -c "$CONF" --once > "$DIR/once.out" 2>&1
        check_equal "$shape percent-encoded: 0" 0 $?
        cat "$DIR/once.out" >> "$DIR/shapes.out"
        RENEWD_TEST_STORE="host=127.0.0.1 port=$PGPORT user=$user password=$password dbname=${DSN##*dbname=}"
        "$RENEWD" -c "$CONF" --once >> "$DIR/shapes.out" 2>&1
        RENEWD_TEST_STORE="host=no-such-host.invalid port=$PGPORT user=$user password=$password dbname=x"
        "$RENEWD" -c "$CONF" --check >> "$DIR/shapes.out" 2>&1
    done
    check_no_match "no part of any password in what was said" "$PARTS" "$(cat "$DIR/shapes.out")"
}

# The daemon, its status and its API, with a wrong password of every kind of character.
daemon_says() {
    export RENEWD_TEST_STORE="postgresql://renewd_shape:$(encoded "$(password_of all)")zz@127.0.0.1:$PGPORT/${DSN##*dbname=}"
    start_renewd
    wait_until 20 grep -q 'the database refuses renewd' "$DIR/renewd.all"
    ctl --json status > "$DIR/status.out" 2>&1
    ctl status >> "$DIR/status.out" 2>&1
    ctl --json jobs >> "$DIR/status.out" 2>&1
    check_match "a wrong password: the log has it at once, with the remedy" \
        'the database refuses renewd.*refuses the password of role .*renewd_shape.*ALTER ROLE .*renewd_shape.* PASSWORD' "$(cat "$DIR/renewd.all")"
    check_match "status has it" 'refuses the password of role' "$(cat "$DIR/status.out")"
    check_no_match "nobody calls it away" 'database is not available|did not answer' "$(cat "$DIR/renewd.all" "$DIR/status.out")"
    check_no_match "no part of it" "$PARTS" "$(cat "$DIR/renewd.all" "$DIR/status.out")"
    pg_admin -v p="$(password_of all)zz" <<< "alter role renewd_shape password :'p'"
    check "once it is mended the daemon goes on by itself" wait_until 30 grep -q 'the database answers' "$DIR/renewd.all"
    # Running: the password is changed and the connections end.
    pg_admin -c "alter role renewd_shape password 'another'" \
        -c "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'renewd_shape'" > /dev/null
    check "a daemon that was running says the true reason" wait_until 30 \
        eval "[ \$(grep -c 'the database refuses renewd' '$DIR/renewd.all') -ge 2 ]"
    check "and its status" eval "ctl status | grep -q 'refuses the password of role'"
    check "and lives" renewd_is_up
    stop_renewd
}

at_once() { # WHAT REGEX
    timeout 60 "$RENEWD" -c "$CONF" --once > "$DIR/once.out" 2>&1
    check_equal "$1: --once ends with 1" 1 $?
    check_match "$1: the reason and the remedy" "$2" "$(cat "$DIR/once.out")"
    check_no_match "$1: without waiting for it to mend itself" 'within 30 s|is not available' "$(cat "$DIR/once.out")"
}

permanent() {
    local db=${DSN##*dbname=} at=@127.0.0.1:$PGPORT
    pg_admin -c "create role renewd_bare login password 'bare'" -c "create role nohba login" \
        -c "create role nologin password 'x'" -c "create database ${db}_shut" -c "revoke connect on database ${db}_shut from public" \
        -c "revoke create on database $db from public"
    own_databases="$own_databases ${db}_shut"
    export RENEWD_TEST_STORE="postgresql://renewd_bare:wrong$at/$db"
    at_once "a wrong password" 'refuses the password of role renewd_bare.*ALTER ROLE renewd_bare PASSWORD'
    RENEWD_TEST_STORE="postgresql://renewd_bare$at/$db"
    at_once "no password" 'asks for a password and the dsn has none'
    RENEWD_TEST_STORE="postgresql://renewd_bare:bare$at/${db}_none"
    at_once "no such database" "no database ${db}_none: CREATE DATABASE ${db}_none OWNER renewd_bare"
    RENEWD_TEST_STORE="postgresql://renewd_bare:bare$at/${db}_shut"
    at_once "no CONNECT right" "GRANT CONNECT ON DATABASE ${db}_shut TO renewd_bare"
    RENEWD_TEST_STORE="postgresql://renewd_bare:bare$at/$db"
    at_once "no CREATE right" "GRANT CREATE ON DATABASE $db TO renewd_bare"
    RENEWD_TEST_STORE="postgresql://nohba:x$at/$db"
    at_once "no line in pg_hba.conf" 'pg_hba.conf does not let role nohba into database'
    RENEWD_TEST_STORE="host=$PGHOST port=$PGPORT user=nologin dbname=$db"
    at_once "a role without LOGIN" 'ALTER ROLE nologin LOGIN'
    RENEWD_TEST_STORE="host=$PGHOST port=$PGPORT user=nobody_at_all dbname=$db"
    at_once "no such role" 'no role nobody_at_all: CREATE ROLE nobody_at_all LOGIN'
    RENEWD_TEST_STORE="postgresql://renewd_bare:bare$at/$db?sslmode=require"
    at_once "no TLS there" 'does not speak TLS there.*ssl = on.*sslmode=disable'
    RENEWD_TEST_STORE="postgresql://renewd_bare:bare@no-such-host.invalid/$db"
    "$RENEWD" -c "$CONF" > "$DIR/host.out" 2>&1 &
    OTHER_PID=$!
    check "a host that nobody knows: it is away, by its name" wait_until 30 \
        grep -q 'database is not available.*no address is known for the host of the dsn (no-such-host.invalid)' "$DIR/host.out"
    stop_process "$OTHER_PID"
}

away_says() { # WHAT REGEX [PGPORT]
    env ${3:+PGPORT=$3} "$RENEWD" -c "$CONF" --check --connect > "$DIR/away.out" 2>&1
    check_equal "$1: 78" 78 $?
    check_match "$1: where it was tried, and what to do" "^database: $2\. Correct host and port in the dsn" "$(cat "$DIR/away.out")"
    check_no_match "$1: without the password" Qfirst "$(cat "$DIR/away.out")"
}

# A port at which nobody listens, or somebody else.
wrong_port() {
    local port other db=${DSN##*dbname=}
    port=$(free_port) || exit 1
    other=$(free_port) || exit 1
    export RENEWD_TEST_STORE="postgresql://app:Qfirst@127.0.0.1:$port/$db"
    away_says "a wrong port in a URL" "PostgreSQL cannot be reached at 127.0.0.1, port $port: Connection refused"
    RENEWD_TEST_STORE="host=127.0.0.1 port=$port user=app password=Qfirst dbname=$db"
    away_says "a wrong port in pairs" "PostgreSQL cannot be reached at 127.0.0.1, port $port: Connection refused"
    RENEWD_TEST_STORE="postgresql://app:Qfirst@127.0.0.1:$port,localhost:$other/$db"
    away_says "several hosts" "PostgreSQL cannot be reached at 127.0.0.1, port $port and localhost, port $other: .*Connection refused"
    RENEWD_TEST_STORE="host=127.0.0.1,localhost port=$port user=app password=Qfirst dbname=$db"
    away_says "several hosts with one port" "PostgreSQL cannot be reached at 127.0.0.1, port $port and localhost, port $port: .*Connection refused"
    RENEWD_TEST_STORE="postgresql://app:Qfirst@127.0.0.1/$db"
    away_says "a port of the environment" \
        "PostgreSQL cannot be reached at 127.0.0.1, port $port \(from PGPORT in the environment, since the dsn names no port\): Connection refused" "$port"
    RENEWD_TEST_STORE="host=$PGHOST port=$port user=app dbname=$db"
    away_says "a socket that is not there" "PostgreSQL cannot be reached at the socket $PGHOST/.s.PGSQL.$port: No such file or directory"
    RENEWD_TEST_STORE="postgresql://app:Qfirst@127.0.0.1:${SIM_URL##*:}/$db"
    away_says "another program's port" \
        "PostgreSQL (did not answer within 5 seconds at 127.0.0.1, port ${SIM_URL##*:}|cannot be reached at 127.0.0.1, port ${SIM_URL##*:}: .*)"
    RENEWD_TEST_STORE="postgresql://nobody_at_all:Qfirst@127.0.0.1:$PGPORT/$db"
    "$RENEWD" -c "$CONF" --check --connect > "$DIR/away.out" 2>&1
    check_match "another server than was meant says where it is" "This was said at 127.0.0.1, port $PGPORT" "$(cat "$DIR/away.out")"
}

# A host that has IPv6 alone, from a machine without any: in a network of our own, which leads nowhere.
ipv6_only() {
    unshare -m -n true 2> /dev/null || { echo "# no namespaces here"; return 0; }
    echo '2001:db8::5 db.ref.example.test' > "$DIR/hosts"
    export RENEWD_TEST_STORE="postgresql://app:Qfirst@db.ref.example.test:5432/postgres"
    unshare -m -n sh -c 'mount --bind "$1" /etc/hosts && shift && exec "$@"' sh "$DIR/hosts" \
        "$RENEWD" -c "$CONF" --check --connect > "$DIR/six.out" 2>&1
    check_equal "a host with IPv6 alone: 78" 78 $?
    check_match "it is said so, with what to do" 'db.ref.example.test\) has only IPv6 addresses.*pooler' "$(cat "$DIR/six.out")"
    check_no_match "without the password" Qfirst "$(cat "$DIR/six.out")"
}

# As Prisma writes it.
foreign() {
    local db=${DSN##*dbname=}
    sql 'create schema app'
    DSN_PLAIN=$DSN
    DSN="$DSN options=-csearch_path=app" make_accounts_table tokens
    DSN="$DSN_PLAIN options=-csearch_path=app" load_accounts google tokens 2 f-
    google_job inapp tokens
    export RENEWD_TEST_STORE="host=$PGHOST port=$PGPORT user=renewd_test dbname=$db"
    run_renewd --once
    check_match "without schema the table is not found" 'there is no table' "$(cat "$DIR/renewd.log")"
    pg_admin -c "alter role renewd_test password 'pw'"
    RENEWD_TEST_STORE="postgresql://renewd_test:pw@127.0.0.1:$PGPORT/$db?schema=app&pgbouncer=true&connection_limit=1&sslmode=prefer"
    run_renewd --check
    check_equal "parameters of Prisma: --check is content" 0 $?
    check_match "and names what libpq does not know" "warning: .*left out: pgbouncer, connection_limit" "$(cat "$DIR/renewd.log")"
    check "with schema=app the tables without a schema are looked for there" run_renewd --once
    DSN="$DSN_PLAIN options=-csearch_path=app"
    check "and its rows are refreshed" compare_truth google tokens f-
    DSN=$DSN_PLAIN
}

OTHER_PID=
start_simulator
own_cluster
stage postgresql
shapes
daemon_says
stage postgresql
permanent
wrong_port
ipv6_only
stage postgresql
foreign
no_tokens_in_logs
finish
