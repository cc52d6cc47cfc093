#!/bin/bash
# SPDX-License-Identifier: MIT
# PostgreSQL, and a role of least right. A right that is withdrawn while the daemon runs costs no more than the attempts
# under way, whose results are set aside; its job is held with every GRANT that is missing, and goes on by itself once
# they are given.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"

LEAST=renewd_rights_$$ OTHER=renewd_rights_other_$$

database() { echo "${DSN##*dbname=}"; }

admin() { # SQL: as the cluster's owner
    pg_admin -d "$(database)" -c "$1" > /dev/null
}

# A new database: renewd has its own role, sql() is the tables' owner.
stage_least() {
    make_store postgresql || exit 1
    forget_renewd
    sim reset '{}' > /dev/null
    admin "grant create on database $(database) to $LEAST"
    DSN=${DSN/user=renewd_test/user=$LEAST}
    write_conf
    DSN=${DSN/user=$LEAST/user=renewd_test}
}

grants_said() { # TEXT: each GRANT of it, one a line
    grep -o 'GRANT [^;]*;' <<< "$1" | sort -u
}

presented() { strict_sum presented; }
presented_some() { [ "$(presented)" -ge "$1" ]; }
refreshed() { sql 'select count(*) from tokens where refreshed_at is not null'; }
kept() { pg_admin -d "$(database)" -c 'select count(*) from renewd.kept'; }
held() { ctl --json jobs | json '$.jobs[0].held' | grep -q GRANT; }
all_stored() { compare_truth strict tokens w- && [ "$(kept)" = 0 ]; }

TOKEN_RIGHTS='select (id, account, access_token, refresh_token, expires_at, refreshed_at, last_error),
    update (access_token, refresh_token, expires_at, refreshed_at, last_error) on tokens'

while_running() {
    local asked said was
    stage_least
    make_accounts_table tokens
    sql 'create table people (id text primary key, warned boolean)'
    load_accounts strict tokens 24 w- || exit 1
    strict_job tokens tokens 'in_flight = 3; rescan = "1s";
        also = ( { table = "people"; key = "id"; from = "account"; on_ok = { warned = false; }; on_reconnect = { warned = true; }; } );'
    sql "grant $TOKEN_RIGHTS to $LEAST; grant select (id), update (warned) on people to $LEAST"
    sim misbehave '{"mode":"delay","provider":"strict","count":12,"ms":700,"when":"after"}' > /dev/null
    start_renewd || exit 1
    wait_until 60 presented_some 4 || exit 1
    sql "revoke update (access_token, refresh_token) on tokens from $LEAST; revoke update (warned) on people from $LEAST"
    check "withdrawn: the job is held" wait_until 60 held
    said=$(ctl --json jobs | json '$.jobs[0].held')
    check_equal "withdrawn: with every GRANT" "GRANT UPDATE (access_token, refresh_token) ON public.tokens TO $LEAST;
GRANT UPDATE (warned) ON public.people TO $LEAST;" "$(grants_said "$said")"
    check "withdrawn: what was under way ends" wait_until 60 nothing_under_way
    check "withdrawn: each answer is in its row or set aside" wait_until 60 all_answers_kept
    asked=$(presented) was=$(kept)
    # three whose answers are stored while three more are under way, which were claimed before the first was refused
    check "withdrawn: no more than was under way is set aside" test "$was" -le 6
    check_fails "withdrawn: nothing is refreshed by hand" ctl run tokens
    check_equal "withdrawn: and nothing is spent" "$asked" "$(presented)"
    sql "$(grants_said "$said")"
    check "given again: all comes back, what was set aside too" wait_until 60 all_stored
    check_equal "given again: none was presented twice" '' "$(presented_twice)"
    check_match "given again: it is said" 'job no longer held' "$(cat "$DIR/renewd.all")"
    stop_renewd
}

all_answers_kept() { [ "$(presented)" = $(($(refreshed) + $(kept))) ]; } # an attempt is over before its answer is stored
nothing_under_way() { [ "$(ctl --json jobs | json '$.jobs[0].in_flight')" = 0 ]; }

# Reading, too: the job says which GRANT, not only what PostgreSQL refused first.
reading() {
    start_renewd || exit 1
    check "reading: it is ready" wait_until 60 daemon_is_ready
    sql "revoke select (access_token, expires_at) on tokens from $LEAST"
    check "reading: the job is held" wait_until 60 held
    check_equal "reading: with the GRANT" "GRANT SELECT (access_token, expires_at) ON public.tokens TO $LEAST;" \
        "$(grants_said "$(ctl --json jobs | json '$.jobs[0].held')")"
    sql "grant $TOKEN_RIGHTS to $LEAST"
    check "reading: given again, it goes on" wait_until 60 daemon_is_ready
    stop_renewd
}

# What a view stands on is told, too, for the role as which it reads it.
views() {
    local said
    stage_least
    sql_file "$TOP/sql/postgresql/free_plan.sql"
    psql -XqAt -v ON_ERROR_STOP=1 -v role="$LEAST" -h "$PGHOST" -p "$PGPORT" -U postgres -d "$(database)" \
        -f "$TOP/sql/postgresql/grants-free_plan.sql" > /dev/null 2>&1
    sed -e '/^functions/d' "$TOP/conf.d/free-plan.conf" > "$DIR/conf.d/free-plan.conf"
    echo "statements = \"$TOP/sql/postgresql/free_plan_alloc\";" >> "$DIR/conf.d/free-plan.conf"
    sql "create function plainly(name text) returns text language sql as 'select \$1';
        revoke execute on function plainly from public;
        create or replace view free_plan_subscriptions with (security_invoker = on) as
        select s.id, s.user_id, s.plan_id, plainly(p.name) as plan_name, p.item_id_internal, p.tokens_to_award, s.status,
               s.current_period_start, s.current_period_end
        from user_subscriptions s join subscription_plans p on p.id = s.plan_id;
        revoke all on subscription_plans from $LEAST; revoke select (id, name, item_id_internal, tokens_to_award)
        on subscription_plans from $LEAST"
    look
    check_equal "security_invoker: 78" 78 $LOOKED
    said=$(grants_said "$(cat "$DIR/look.out")")
    check_equal "security_invoker: the tables behind the view, for renewd's role, and its function" \
        "GRANT EXECUTE ON FUNCTION plainly(text) TO $LEAST;
GRANT SELECT (id, item_id_internal, name, tokens_to_award) ON public.subscription_plans TO $LEAST;" \
        "$said"
    sql "$said"
    look
    check_equal "security_invoker: they are enough" 0 $LOOKED
    sql 'create view ordinary as select * from free_plan_subscriptions'
    admin "alter view ordinary owner to $OTHER; grant usage on schema public to $OTHER"
    admin "grant select on ordinary to $LEAST"
    sed -i 's/table = "free_plan_subscriptions"/table = "ordinary"/' "$DIR/conf.d/free-plan.conf"
    sql "revoke select (tokens_to_award) on subscription_plans from $LEAST"
    look
    check_equal "an ordinary view: 78" 78 $LOOKED
    said=$(grants_said "$(cat "$DIR/look.out")")
    check_match "an ordinary view: its owner's right" \
        "GRANT SELECT \(id, .*current_period_end\) ON public.free_plan_subscriptions TO $OTHER;" "$said"
    check_match "an ordinary view: behind one of the reader's rights the reader's" \
        "GRANT SELECT \(tokens_to_award\) ON public.subscription_plans TO $LEAST;" "$said"
    check_equal "an ordinary view: and no other" 2 "$(wc -l <<< "$said")"
    admin "$said"
    look
    check_equal "an ordinary view: they are enough" 0 $LOOKED
}

# `also` writes through a view of a view: the owner of the lower one needs the right on the table.
also_view() {
    local said
    stage_least
    make_accounts_table tokens
    load_accounts strict tokens 1 v- || exit 1
    sql 'create table people (id text primary key, "Warned" boolean not null default true, note text)'
    sql 'insert into people (id) select account from tokens'
    sql 'create view known as select * from people'
    sql 'create view shown as select * from known where id is not null'
    admin "alter view known owner to $OTHER; grant usage on schema public to $OTHER"
    admin "grant select on people to $OTHER; grant select, update on known to renewd_test"
    sql "grant $TOKEN_RIGHTS to $LEAST; grant select (id), update (\"Warned\") on shown to $LEAST"
    strict_job tokens tokens 'also = ( { table = "shown"; key = "id"; from = "account"; on_ok = { Warned = false; };
        on_reconnect = { Warned = true; }; } );'
    look
    check_equal "also, a view: 78" 78 $LOOKED
    said=$(grants_said "$(cat "$DIR/look.out")")
    check_equal "also, a view: the right below it, for the role that owns the view" \
        "GRANT UPDATE (\"Warned\") ON public.people TO $OTHER;" "$said"
    sql "$said"
    look
    check_equal "also, a view: it is enough" '0 ' "$LOOKED $(grants_said "$(cat "$DIR/look.out")")"
    start_renewd || exit 1
    check "also, a view: it is written" wait_until 60 written
    stop_renewd
}
written() { [ "$(sql 'select "Warned" from people')" = f ]; }

look() {
    "$RENEWD" -c "$CONF" --check --connect > "$DIR/look.out" 2>&1
    LOOKED=$?
    cat "$DIR/look.out" >> "$DIR/renewd.all"
}

start_simulator
pg_admin -c 'select 1' > /dev/null 2>&1 || make_store postgresql
trap 'gone; cleanup' EXIT
gone() {
    stop_process "$RENEWD_PID"
    for database in $own_databases; do
        pg_admin -c "drop database if exists $database with (force)"
    done
    pg_admin -c "drop role if exists $LEAST" -c "drop role if exists $OTHER"
} > /dev/null 2>&1
pg_admin -c "create role $LEAST login" -c "create role $OTHER"
while_running
reading
views
also_view
no_tokens_in_logs
finish
