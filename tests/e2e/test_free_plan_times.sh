#!/bin/bash
# SPDX-License-Identifier: MIT
# When the monthly credit is paid, on both stores: over outages of random length and a clock that is set
# back every user has as many credits as periods have ended, from anchors 28 to 31 over leap years; with
# "latest" one for each time it was looked at in vain; the daemon pays at a user's own time, and makes up
# the first of the month when it was down.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/free_plan.sh"

USERS=48
FIRST=$(date -u -d '2024-01-10' +%s)

# users 1..: "number day time", the first period of each ends in the month given: 2023-11 to 2024-02.
draw() {
    local i
    for ((i = 1; i <= USERS; i++)); do
        printf '%d %d %d %02d:%02d:%02d\n' $i $((28 + i % 4)) $((RANDOM % 4)) $((RANDOM % 24)) $((RANDOM % 60)) $((RANDOM % 60))
    done > "$DIR/users"
}

# What must be by now, worked out apart from renewd's calendar: months are counted here, times are compared as
# text. expected each|latest TIME...: "user credits end" for the runs at these times.
expected() {
    awk -v mode="$1" -v runs="${*:2}" '
        function last(y, m) { return m == 2 ? 28 + (y % 4 == 0) : 30 + (m + (m > 7)) % 2 }
        function end(k, day, at,   y, m) {
            m = 10 + k; y = 2023 + int(m / 12); m = m % 12 + 1
            return sprintf("%d-%02d-%02d %s", y, m, day < last(y, m) ? day : last(y, m), at)
        }
        BEGIN { count = split(runs, times, "T") }
        {
            k = $3; paid = 0
            for (i = 1; i <= count; i++) {
                if (end(k, $2, $4) > times[i]) continue
                for (missed = 0; end(k, $2, $4) <= times[i]; k++) missed++
                paid += mode == "each" ? missed : 1
            }
            print $1, paid, end(k, $2, $4)
        }' "$DIR/users"
}

text_sql() { # COLUMN
    if [ "$STORE" = postgresql ]; then echo "to_char($1 at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS')"
    else echo "datetime($1, 'unixepoch')"; fi
}

seen() {
    sql "select (cast(substr(cast(s.id as text), 25) as integer) - 1000) || ' ' || (select count(*)
             from token_wallet_transactions t where t.user_id = s.user_id) || ' ' || $(text_sql s.current_period_end)
         from user_subscriptions s order by s.id"
}

insert_users() {
    local number day month at
    while read -r number day month at; do
        echo "insert into user_subscriptions (id, user_id, plan_id, status, current_period_start, current_period_end)
              values ('$(uuid $((1000 + number)))', '$(uuid $((1000 + number)))', '$(uuid 1)', 'free',
              $(at "$(ends $((month - 1)) "$day") $at"), $(at "$(ends "$month" "$day") $at"));"
        wallet "$number"
    done < "$DIR/users" > "$DIR/people.sql"
    sql_file "$DIR/people.sql"
}

ends() { # MONTHS AFTER NOVEMBER 2023, DAY: the day in that month, or its last
    local first last
    first=$(date -u -d "2023-11-01 + $1 months" +%Y-%m)
    last=$(date -u -d "$first-01 + 1 month - 1 day" +%d)
    echo "$first-$(($2 < last ? $2 : last))"
}

# Ten times: outages of up to three months, and every third time the clock is set back.
outages() { # STORE each|latest
    local s="$1, $2" now=$FIRST i times='' differ=''
    stage "$1" "catch_up = \"$2\";"
    draw
    insert_users
    for ((i = 1; i <= 10; i++)); do
        if [ $((i % 3)) = 0 ]; then now=$((now - RANDOM * 100)); else now=$((now + RANDOM * 250 + RANDOM % 250)); fi
        AT=$(date -u -d "@$now" +%Y-%m-%dT%H:%M:%SZ)
        times="$times${times:+T}$(date -u -d "@$now" '+%Y-%m-%d %H:%M:%S')"
        once || differ="$differ exit status at $AT;"
        expected "$2" "$times" > "$DIR/expected"
        seen > "$DIR/seen"
        differ=$differ$(diff "$DIR/expected" "$DIR/seen" | grep '^[<>]' | sort -k 2n | head -4)
        [ -z "$differ" ] || break
    done
    check_equal "$s: after each run there are as many credits as periods have ended" '' "$differ"
    check "$s: of periods enough" test "$(sql "select count(*) from token_wallet_transactions")" -ge $USERS
    check_equal "$s: no key comes twice, and every one is in the ledger" 0 \
        "$(sql "select count(*) - count(distinct idempotency_key) from token_wallet_transactions")"
    check_equal "$s: every balance is the sum of its transactions" 0 \
        "$(sql "select count(*) from token_wallets w where w.balance <>
                coalesce((select sum(amount) from token_wallet_transactions t where t.wallet_id = w.id), 0)")"
    echo "# $s: $(sql "select count(*) from token_wallet_transactions") credits, times ${times//T/, }"
}

paid_are() { # COUNT
    [ "$(sql "select count(*) from token_wallet_transactions")" = "$1" ]
}

soon() { # SECONDS FROM NOW, as the table has it, without its zone
    date -u -d "@$(($(date +%s) + $1))" '+%Y-%m-%d %H:%M:%S'
}

subscription() { # NUMBER END
    { wallet "$1"; user "$1" 2026-01-15 2026-02-15; } > "$DIR/people.sql"
    sql_file "$DIR/people.sql"
    sql "update user_subscriptions set current_period_end = $(at "$2") where id = '$(uuid $((1000 + $1)))'"
}

own_time() { # STORE
    local s="$1, own time"
    stage "$1"
    subscription 1 "$(soon 4)"
    subscription 2 "$(soon 3600)"
    start_renewd || exit 1
    check "$s: the daemon pays when the period ends" wait_until 30 paid_are 1
    check_equal "$s: not before" "$(uuid 1001)" "$(sql "select t.user_id from token_wallet_transactions t join user_subscriptions s
        on s.user_id = t.user_id where t.created_at >= s.current_period_start")"
    check_equal "$s: in a run of its own" auto "$(sql "select distinct trigger from $(own runs)")"
    stop_renewd
}

tick_noted() { [ "$(sql "select last_tick from $(own jobs)")" -gt 0 ]; }

missed() { # STORE: without "auto"
    local s="$1, missed"
    stage "$1"
    sed -i 's/^schedule = .*/schedule = "0 0 1 * *";/' "$DIR/conf.d/free-plan.conf"
    start_renewd || exit 1
    check "$s: a new job waits for its first tick" wait_until 20 tick_noted
    stop_renewd
    subscription 1 "$(soon -86400)"
    sql "update $(own jobs) set last_tick = last_tick - 40 * 86400"
    start_renewd || exit 1
    check "$s: the first of the month that was missed is made up" wait_until 30 paid_are 1
    check_equal "$s: by one run" tick "$(sql "select trigger from $(own runs)")"
    stop_renewd
}

# An application's own forms: an end is a date as text, a start are milliseconds. Where a row has no start yet, the others
# say what one looks like. On SQLite dates stand in a column of the type DATETIME.
forms() { # STORE
    local s="$1, forms" id=text end=text n
    stage "$1"
    [ "$STORE" = postgresql ] && id=uuid || end=datetime
    sql "drop view free_plan_subscriptions"
    sql "drop table user_subscriptions"
    sql "create table user_subscriptions (id $id not null primary key, user_id $id not null, plan_id $id not null,
             status text not null, current_period_start bigint, current_period_end $end)"
    sql "create view free_plan_subscriptions as select s.id, s.user_id, s.plan_id, p.name as plan_name, p.item_id_internal,
             p.tokens_to_award, s.status, s.current_period_start, s.current_period_end
         from user_subscriptions s join subscription_plans p on p.id = s.plan_id"
    for n in 1 2 3; do
        wallet $n > "$DIR/people.sql"
        sql_file "$DIR/people.sql"
        sql "insert into user_subscriptions values ('$(uuid $((1000 + n)))', '$(uuid $((1000 + n)))', '$(uuid 1)', 'free',
                 $([ $n = 1 ] && echo null || echo 1778803200000), '2026-0$((5 + n))-15 00:00:00')"
    done
    AT=2026-07-01T00:00:00Z
    check "$s: is paid" once
    check_equal "$s: each time like the others of its column" "$(uuid 1001)|1781481600000|2026-07-15 00:00:00" \
        "$(sql "select id, current_period_start, current_period_end from user_subscriptions where id = '$(uuid 1001)'")"
    AT=2026-07-20T00:00:00Z
    check "$s: is paid, with a start of its own" once
    check_equal "$s: like its own" "$(uuid 1002)|1784073600000|2026-08-15 00:00:00" \
        "$(sql "select id, current_period_start, current_period_end from user_subscriptions where id = '$(uuid 1002)'")"
    check_equal "$s: as often as periods ended" 3 "$(sql "select count(*) from token_wallet_transactions")"
    [ "$STORE" = postgresql ] || check_equal "$s: numbers are numbers, dates are texts" 'integer text' \
        "$(sql "select distinct typeof(current_period_start) || ' ' || typeof(current_period_end) from user_subscriptions")"
}

for store in ${STORES:-sqlite postgresql}; do
    outages $store each
    outages $store latest
    own_time $store
    missed $store
    forms $store
done
finish
