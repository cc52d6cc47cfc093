#!/bin/bash
# SPDX-License-Identifier: MIT
# The monthly credit of a free plan on both stores: every missed period is paid once, oldest first, from
# the day on which the subscription began; the balance is the sum of its transactions; two processes at
# once and kill -9 in between change nothing; one broken user fails alone and is due again.
# shellcheck disable=SC2034
IN_MEMORY=yes
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/free_plan.sh"

AT=2026-06-15T00:00:00Z
USERS=${USERS:-200}

people() { # users 1.. whose period ended on 28, 29, 30 or 31 March, wallets with 5 tokens
    awk -v users="$USERS" -v plan="$(uuid 1)" -v store="$STORE" '
        function at(day) { return store == "sqlite" ? "unixepoch(\047" day "\047)" : "timestamptz \047" day "+00\047" }
        BEGIN {
            print "begin;"
            for (i = 1; i <= users; i++) {
                id = sprintf("\04700000000-0000-4000-8000-%012d\047", 1000 + i)
                printf "insert into user_subscriptions (id, user_id, plan_id, status, current_period_start,"
                printf " current_period_end) values (%s, %s, \047%s\047, \047free\047, %s, %s);\n", id, id, plan,
                    at("2026-02-28 00:00:00"), at("2026-03-" 28 + i % 4 " 00:00:00")
                printf "insert into token_wallets (id, user_id, balance) values (%s, %s, 5);\n", id, id
            }
            print "commit;"
        }'
}

# What holds at any time: no period twice, balances and transactions agree.
sound() { # NAME
    check_equal "$1: no period is paid twice" 0 \
        "$(sql "select count(*) - count(distinct idempotency_key) from token_wallet_transactions")"
    check_equal "$1: every balance is the sum of its transactions" 0 \
        "$(sql "select count(*) from token_wallets w where w.balance <> 5 +
                coalesce((select sum(amount) from token_wallet_transactions t where t.wallet_id = w.id), 0)")"
    check_equal "$1: the ledger has one key for each" \
        "$(sql "select count(*) from token_wallet_transactions")" "$(sql "select count(*) from $(own ledger)")"
}

everybody_paid() { # NAME
    sound "$1"
    check_equal "$1: three periods each, not one more" $((3 * USERS)) \
        "$(sql "select count(*) from token_wallet_transactions where type = 'CREDIT_ALLOCATION_FREE_PLAN'
                and performed_by = 'system-token-allocator' and amount = 100000")"
    check_equal "$1: every user three times" "$USERS|3|3" \
        "$(sql "select count(*), min(n), max(n) from (select user_id, count(*) as n
                from token_wallet_transactions group by user_id) x")"
    check_equal "$1: the periods keep their day" \
        "2026-05-28|2026-06-28
2026-05-29|2026-06-29
2026-05-30|2026-06-30
2026-05-31|2026-06-30" \
        "$(sql "select distinct $(day_sql current_period_start), $(day_sql current_period_end)
                from user_subscriptions order by 1")"
}

plain() { # STORE
    local s="$1, plain"
    stage "$1"
    { people; user 900 2026-05-20 2026-06-20; wallet 900 5
      user 901 2026-01-01 2026-02-01 2; wallet 901 5; user 902 2026-01-01 2026-02-01 1 canceled; wallet 902 5
    } > "$DIR/people.sql"
    sql_file "$DIR/people.sql"
    check "$s: --once pays" once
    sql "delete from user_subscriptions where id in ('$(uuid 1900)', '$(uuid 1901)', '$(uuid 1902)')"
    everybody_paid "$s"
    check_equal "$s: nobody else is paid" 0 \
        "$(sql "select count(*) from token_wallet_transactions where user_id >= '$(uuid 1900)'")"
    check_equal "$s: the run counts its periods" "$((3 * USERS))|0" \
        "$(sql "select refreshed, failed from $(own runs) order by id desc limit 1")"
    check "$s: again --once" once
    everybody_paid "$s, again"
    # A period set back (a restored row) moves again, and is not paid again.
    sql "update user_subscriptions set current_period_start = $(at '2026-04-28 00:00:00'),
         current_period_end = $(at '2026-05-28 00:00:00') where id = '$(uuid 1004)'"
    check "$s: a period set back" once
    everybody_paid "$s, set back"
}

broken() { # STORE
    local s="$1, broken"
    stage "$1"
    { people; user 900 2026-02-28 2026-03-28; user 901 2026-02-28 2026-03-28
      wallet 901 5; wallet 901 5 | sed "s/('$(uuid 1901)', /('$(uuid 5901)', /"
      user 902 2026-02-28 2026-03-28; wallet 902 5
    } > "$DIR/people.sql"
    sql_file "$DIR/people.sql"
    sql "update user_subscriptions set current_period_end = null where id = '$(uuid 1902)'"
    check_fails "$s: --once says that some failed" once
    check_equal "$s: the broken ones alone, with their reasons" \
        "$(uuid 1900)|effect:credit
$(uuid 1901)|effect:credit
$(uuid 1902)|bad_period" "$(sql "select rkey, last_code from $(own records) where last_outcome <> 1 order by 1")"
    check_equal "$s: nothing of theirs was written" 0 \
        "$(sql "select count(*) from token_wallet_transactions where user_id >= '$(uuid 1900)'")"
    check_equal "$s: their periods stand" 2026-03-28 \
        "$(sql "select distinct $(day_sql current_period_end) from user_subscriptions
                where user_id in ('$(uuid 1900)', '$(uuid 1901)')")"
    { wallet 900 5; echo "delete from token_wallets where id = '$(uuid 5901)';"
      echo "update user_subscriptions set current_period_end = $(at '2026-03-28 00:00:00') where id = '$(uuid 1902)';"
    } > "$DIR/people.sql"
    sql_file "$DIR/people.sql"
    AT=2026-06-15T03:00:00Z
    check "$s: mended, they are paid" once
    AT=2026-06-15T00:00:00Z
    check_equal "$s: in full" 9 "$(sql "select count(*) from token_wallet_transactions where user_id >= '$(uuid 1900)'")"
    sound "$s"
}

latest() { # STORE
    local s="$1, latest"
    stage "$1" 'catch_up = "latest";'
    people > "$DIR/people.sql"
    sql_file "$DIR/people.sql"
    check "$s: --once pays" once
    check_equal "$s: the current period alone" "$USERS" "$(sql "select count(*) from token_wallet_transactions")"
    check_equal "$s: the periods keep their day" 2026-05-31\|2026-06-30 \
        "$(sql "select $(day_sql current_period_start), $(day_sql current_period_end) from user_subscriptions
                where id = '$(uuid 1003)'")"
    sound "$s"
}

not_ready() { # STORE
    local s="$1, not ready"
    stage "$1"
    people > "$DIR/people.sql"
    sql_file "$DIR/people.sql"
    sql "update subscription_plans set tokens_to_award = 0 where name = 'Free'"
    check_fails "$s: no award" once
    check_match "$s: says so" 'Free plan tokens_to_award is not configured or is zero\.' "$(cat "$DIR/renewd.log")"
    sql "update subscription_plans set tokens_to_award = 100000, name = 'Gratis' where name = 'Free'"
    check_fails "$s: no plan" once
    check_match "$s: says so too" 'Free plan configuration not found\.' "$(cat "$DIR/renewd.log")"
    check_equal "$s: nothing was paid" 0 "$(sql "select count(*) from token_wallet_transactions")"
}

stuck() { # STORE: a statement of somebody's own that never moves the period
    local s="$1, stuck"
    stage "$1"
    { user 1 2026-02-28 2026-03-28; wallet 1 5; } > "$DIR/people.sql"
    sql_file "$DIR/people.sql"
    rm -rf "$DIR/mine"
    cp -r "$TOP/sql/$STORE/free_plan_alloc" "$DIR/mine"
    echo 'UPDATE user_subscriptions SET current_period_start = $3,
          current_period_end = CASE WHEN $4 > current_period_end THEN current_period_end ELSE $4 END
          WHERE id = $1 AND current_period_end = $2' > "$DIR/mine/advance.sql"
    sed -i "s,^statements = .*,statements = \"$DIR/mine\";," "$DIR/conf.d/free-plan.conf"
    once
    check_equal "$s: the run ends, and what is left due is no success" 1 $?
    check_match "$s: and says why" 'still due after 1,000 successes' "$(cat "$DIR/renewd.log")"
    check_match "$s: after a thousand times" '^100[01]$' "$(sql "select refreshed from $(own runs) order by id desc limit 1")"
    check_equal "$s: the period is paid once" 1 "$(sql "select count(*) from token_wallet_transactions")"
    sound "$s"
}

nap() { # MILLISECONDS
    sleep "$(printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)))"
}

paid() { sql "select count(*) from token_wallet_transactions"; }

vain_runs() { grep -c 'msg="run finished".* refreshed=0 ' "$DIR/renewd.all"; }

# so many are paid, or that process has nothing left to do but to wait for what a killed one has leased
paid_or_idle() { # COUNT PID [VAIN RUNS BEFORE]
    ! kill -0 "$2" 2> /dev/null || [ "$(paid)" -ge "$1" ] || { [ -n "${3:-}" ] && [ "$(vain_runs)" -gt "$3" ]; }
}

# kill_within COUNT PID [alone]: kills it once up to COUNT more are paid, a random number; 0 = in its first moments. Of
# one that is alone nothing more can be hoped for when a run of its own refreshed nothing.
kill_within() {
    local more=$(((RANDOM * 32768 + RANDOM) % ($1 + 1)))
    [ $more = 0 ] || wait_until 120 paid_or_idle $(($(paid) + more)) "$2" ${3:+"$(vain_runs)"}
    nap $((RANDOM % 60))
    stop_process "$2" KILL
}

killed() { # STORE
    local s="$1, killed" round share first second
    stage "$1"
    people > "$DIR/people.sql"
    sql_file "$DIR/people.sql"
    for ((round = 0; round < 6; round++)); do
        clock_exec "$AT" "$RENEWD" -c "$CONF" --once >> "$DIR/renewd.all" 2>&1 &
        first=$!
        clock_exec "$AT" "$RENEWD" -c "$DIR/second.conf" --once >> "$DIR/renewd.all" 2>&1 &
        second=$!
        share=$((round % 3 == 2 ? 0 : USERS / 3))
        kill_within $share $first
        kill_within $((share / 2)) $second alone
        echo "# $s: $(paid) of $((3 * USERS)) after round $round"
    done
    sound "$s, midway"
    clock_exec "$AT" "$RENEWD" -c "$CONF" --once >> "$DIR/renewd.all" 2>&1 &
    first=$!
    clock_exec "$AT" "$RENEWD" -c "$DIR/second.conf" --once >> "$DIR/renewd.all" 2>&1 &
    second=$!
    wait $first
    check_equal "$s: one of two at once ends well" 0 $?
    wait $second
    check_equal "$s: the other too" 0 $?
    once
    clock_at "$AT" "$RENEWD" -c "$DIR/second.conf" --once >> "$DIR/renewd.all" 2>&1
    everybody_paid "$s"
}

held_for() { ctl jobs free-plan 2>&1 | grep -q "$1"; }
works() { ! held_for 'could not be checked' && daemon_is_ready; }
run_told() { ctl run free-plan > "$DIR/run.out" 2>&1; }

# Somebody locks the wallets as a whole, as an ALTER does: the run waits, ends when the lock does, and the next one pays
# as ever. The job's own table is a view and is not locked.
locked() { # STORE
    local s="$1, wallets locked" caller
    [ "$1" = postgresql ] || return 0 # SQLite locks its file as a whole
    stage "$1"
    people > "$DIR/people.sql"
    sql_file "$DIR/people.sql"
    sed -i 's/^schedule = .*/schedule = "0 0 1 1 *";/' "$DIR/conf.d/free-plan.conf"
    : > "$DIR/renewd.all"
    hold_lock 'lock table token_wallets in access exclusive mode' || exit 1
    start_renewd || exit 1
    check "$s: that is no statement which does not fit" wait_until 60 held_for 'credit.sql could not be checked yet'
    release_lock
    check "$s: the job goes on by itself" wait_until 60 works
    hold_lock 'lock table token_wallets in access exclusive mode' || exit 1
    run_told &
    caller=$!
    check "$s: it is said" wait_until 60 grep -q 'seems to be locked.* job=free-plan' "$DIR/renewd.all"
    release_lock
    check "$s: the run goes on" wait_until 60 eval '[ "$(paid)" -gt 0 ]'
    wait "$caller"
    check_match "$s: and ends" ', failed 0' "$(cat "$DIR/run.out")"
    check "$s: that the lock is over is said" wait_until 60 grep -q 'no longer locked.* job=free-plan' "$DIR/renewd.all"
    sql "$(user 900 2026-05-20 2026-06-20; wallet 900 5)"
    check "$s: the next run" timeout 60 "$RENEWCTL" -s "$SOCKET" run free-plan
    check "$s: pays who came meanwhile" eval \
        '[ "$(sql "select count(*) from token_wallet_transactions where user_id = '"'\$(uuid 1900)'"'")" -gt 0 ]'
    stop_renewd
}

# contrib/check has PARTS=killed USERS=10000, too: thirty thousand transactions.
for store in ${STORES:-sqlite postgresql}; do
    for part in ${PARTS:-plain broken latest not_ready stuck locked killed}; do
        $part $store
    done
done
no_tokens_in_logs
finish
