# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The part of the bench that pays monthly credits, with the shipped tables, statements and job; beside it the same in
# statements over sets of 500 (on SQLite of all), without and with the rows that paying once needs.

credits() { # STORE
    local who order=(update promises renewd)
    for who in 0 1 2; do credits_by "${order[(who + ROUND) % 3]}" "$1"; done
}

make_users() {
    local number='generate_series(1, '$USERS') as g(i)' text="lpad(i::text, 12, '0')" kind=::uuid ended="now() - interval '1 hour'"
    if [ "$STORE" = sqlite ]; then
        number="(with recursive g(i) as (select 1 union all select i + 1 from g where i < $USERS) select i from g)"
        text="printf('%012d', i)" kind='' ended='unixepoch() - 3600'
    fi
    sql_file "$TOP/sql/$STORE/free_plan.sql" > /dev/null
    sql "insert into subscription_plans (id, item_id_internal, name, tokens_to_award) values
             ('00000000-0000-4000-8000-000000000001', 'SYSTEM_FREE_TIER_MONTHLY_ALLOWANCE', 'Free', 100000)"
    sql "insert into user_subscriptions (id, user_id, plan_id, status, current_period_start, current_period_end)
             select ('00000000-0000-4000-8000-' || $text)$kind, ('00000000-0000-4000-8000-' || $text)$kind,
                 '00000000-0000-4000-8000-000000000001', 'free', $ended$(
                     if [ "$STORE" = sqlite ]; then echo ' - 2592000'; else echo " - interval '30 days'"; fi), $ended from $number;
         insert into token_wallets (id, user_id, balance) select id, user_id, 5 from user_subscriptions;
         create table bare_ledger (job text, key text, attempt text, primary key (job, key));
         create table bare_records (id text primary key, due_at bigint, generation bigint default 0);
         create table bare_history (id text, at bigint);
         create table bare_ends as select id, current_period_end as ends from user_subscriptions;
         insert into bare_records (id, due_at) select id, 1 from user_subscriptions"
    sql 'analyze user_subscriptions; analyze token_wallets; analyze bare_records'
}

credits_by() { # WHO STORE
    local who=$1 scenario=credits began seconds
    [ "$2" = postgresql ] || scenario=sqlite_credits
    new_store "$2"
    make_users
    if [ "$who" = renewd ]; then
        write_conf
        sed -e '/^functions/d' -e 's/^schedule = .*/schedule = "0 0 1 1 *";/' "$TOP/conf.d/free-plan.conf" > "$DIR/conf.d/free-plan.conf"
        echo "statements = \"$TOP/sql/$STORE/free_plan_alloc\";" >> "$DIR/conf.d/free-plan.conf"
        start_and_discover "$scenario, round $ROUND"
        settle
        count_statements
        mark "$RENEWD_PID"
        began=${EPOCHREALTIME/./}
        ctl run free-plan > "$DIR/run.out" 2>&1 || not_ok "$scenario: renewctl run ends well" "$(tail -n 5 "$DIR/run.out")"
    else
        settle
        mark
        began=${EPOCHREALTIME/./}
        if [ "$2" = sqlite ]; then credits_sqlite "$who"; else credits_postgresql "$who"; fi > "$DIR/credits.out" 2>&1 ||
            not_ok "$scenario: the bare loop ends well" "$(cat "$DIR/credits.out")"
    fi
    seconds=$(calculate "(${EPOCHREALTIME/./} - $began) / 1000000")
    put "$scenario" "$who" users "$(calculate "$USERS / $seconds")"
    [ "$who" != renewd ] || put "$scenario" renewd cpu "$(calculate "1000 * ($(process_ticks "$RENEWD_PID") - $MARK_OWN) / $TICK / $USERS")"
    store_took "$scenario" "$who" "$USERS"
    if [ "$who" = renewd ]; then
        put "$scenario" renewd rss "$(calculate "$(status_of "$RENEWD_PID" VmHWM) / 1024")"
        show_statements
        stop_renewd
    fi
    echo "# $scenario, round $ROUND, $who: $USERS users in $seconds s"
    credits_right "$scenario, round $ROUND, $who"
}

# Each exactly once: the wallet, one transaction, a period that moved.
credits_right() { # NAME
    check_equal "$1: every user was paid once" "$USERS|$USERS|$USERS" "$(sql "select
        (select count(*) from token_wallets where balance = 100005),
        (select count(distinct user_id) from token_wallet_transactions where amount = 100000),
        (select count(*) from token_wallet_transactions)")"
    check_equal "$1: every period moved" "$USERS" "$(sql "select count(*) from user_subscriptions s join bare_ends e on e.id = s.id
        where s.current_period_end > e.ends")"
}

credits_postgresql() { # update|promises
    local promises=''
    [ "$1" = update ] || promises=", ledger as (insert into bare_ledger select 'free-plan', user_id || '/' || ends, md5(user_id::text) from moved),
        record as (update bare_records r set due_at = 2, generation = generation + 1 from moved where r.id = moved.id::text),
        history as (insert into bare_history select id, 1 from moved)"
    psql -XqAt -v ON_ERROR_STOP=1 -d "$DSN" <<SQL
do \$\$
declare first uuid; last uuid; i int := 1;
begin
    while i <= $USERS loop
        first := '00000000-0000-4000-8000-' || lpad(i::text, 12, '0');
        i := i + 500;
        last := '00000000-0000-4000-8000-' || lpad(i::text, 12, '0');
        with moved as (
            update user_subscriptions s set current_period_start = s.current_period_end,
                current_period_end = s.current_period_end + interval '1 month'
            from user_subscriptions o join subscription_plans p on p.id = o.plan_id
            where s.id = o.id and s.id >= first and s.id < last and s.status = 'free' and s.current_period_end < now()
            returning s.id, s.user_id, p.tokens_to_award as amount, o.current_period_end as ends),
        paid as (
            update token_wallets w set balance = balance + amount from moved where w.user_id = moved.user_id
            returning w.id, w.user_id, amount, ends)$promises
        insert into token_wallet_transactions (wallet_id, user_id, type, amount, performed_by, idempotency_key)
        select id, user_id, 'CREDIT_ALLOCATION_FREE_PLAN', amount, 'bare', user_id || '/' || ends from paid;
        commit;
    end loop;
end \$\$
SQL
}

credits_sqlite() { # update|promises
    local promises=''
    [ "$1" = update ] || promises="insert into bare_ledger select 'free-plan', user_id || '/' || ends, id from due;
        update bare_records set due_at = 2, generation = generation + 1 where id in (select id from due);
        insert into bare_history select id, 1 from due;"
    sqlite3 -batch -bail "$SQLITE_DB" <<SQL
pragma synchronous = full;
create temporary table due as select s.id, s.user_id, p.tokens_to_award as amount, s.current_period_end as ends
    from user_subscriptions s join subscription_plans p on p.id = s.plan_id
    where s.status = 'free' and s.current_period_end < unixepoch();
begin immediate;
update user_subscriptions set current_period_start = current_period_end,
    current_period_end = unixepoch(current_period_end, 'unixepoch', '+1 month') where id in (select id from due);
update token_wallets set balance = balance + 100000 where user_id in (select user_id from due);
insert into token_wallet_transactions (id, wallet_id, user_id, type, amount, performed_by, idempotency_key, created_at)
    select lower(hex(randomblob(16))), w.id, d.user_id, 'CREDIT_ALLOCATION_FREE_PLAN', d.amount, 'bare', d.user_id || '/' || d.ends,
        unixepoch() from due d join token_wallets w on w.user_id = d.user_id;
$promises
commit;
SQL
}
