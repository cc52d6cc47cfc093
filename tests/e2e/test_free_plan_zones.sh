#!/bin/bash
# SPDX-License-Identifier: MIT
# Months of the free plan by the calendar of an account's own zone, or of the job's, on both stores. PostgreSQL's
# interval arithmetic says what each end has to be: (local start + n months) at that zone. Anchors 28 to 31, midnights
# and hours that a change of clocks skips or shows twice, half-hour zones; a period that is longer than a month is kept
# where the job says so, and said where it does not.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/free_plan.sh"

AT=2026-07-15T00:00:00Z
# number zone, and the local start and end of the period that is there.
USERS='1 Asia/Kolkata 2026-03-01T00:00:00 2026-04-01T00:00:00
2 America/Sao_Paulo 2026-01-01T00:00:00 2026-02-01T00:00:00
3 Pacific/Auckland 2025-07-01T00:00:00 2025-08-01T00:00:00
4 America/Asuncion 2017-08-01T00:00:00 2017-09-01T00:00:00
5 America/New_York 2026-01-08T02:30:00 2026-02-08T02:30:00
6 America/New_York 2025-08-02T01:30:00 2025-09-02T01:30:00
7 Europe/Berlin 2025-12-31T23:30:00 2026-01-31T23:30:00
8 Europe/Berlin 2025-12-30T02:30:00 2026-01-30T02:30:00
9 Europe/Berlin 2025-12-29T02:15:00 2026-01-29T02:15:00
10 Europe/Berlin 2025-11-28T00:00:00 2025-12-28T00:00:00
11 Australia/Lord_Howe 2025-03-06T02:10:00 2025-04-06T02:10:00
12 Asia/Kathmandu 2025-12-31T23:59:59 2026-01-31T23:59:59
13 America/St_Johns 2026-01-31T00:00:30 2026-02-28T00:00:30
14 Pacific/Apia 2011-10-30T12:00:00 2011-11-30T12:00:00
15 UTC 2023-12-31T18:30:00 2024-01-31T18:30:00'

unix() { TZ=UTC sql_pg "select extract(epoch from timestamp '$2' at time zone '$1')::bigint"; } # ZONE LOCAL
sql_pg() { psql -XqAt -v ON_ERROR_STOP=1 -d "$ORACLE" -c "$1"; }

time_of() { if [ "$STORE" = postgresql ]; then echo "to_timestamp($1)"; else echo "$1"; fi; }

stage_zones() { # STORE SETTINGS [SED...]
    stage "$1" "$2"
    sql "alter table user_subscriptions add column timezone text"
    sql "drop view free_plan_subscriptions"
    sql "create view free_plan_subscriptions as select s.id, s.user_id, s.plan_id, p.name as plan_name, p.item_id_internal,
         p.tokens_to_award, s.status, s.current_period_start, s.current_period_end, s.timezone
         from user_subscriptions s join subscription_plans p on p.id = s.plan_id"
    sed -i -e 's/^        current_period_end = .*/&\n        timezone = "timezone";/' "${@:3}" "$DIR/conf.d/free-plan.conf"
}

add_sql() { # NUMBER ZONE START END, both in Unix time; ZONE "": the column stays empty
    local id
    id=$(uuid $((1000 + $1)))
    echo "insert into user_subscriptions (id, user_id, plan_id, status, current_period_start, current_period_end, timezone)
         values ('$id', '$id', '$(uuid 1)', 'free', $(time_of "$3"), $(time_of "$4"), nullif('$2', ''));"
    wallet "$1"
}
add() { sql "$(add_sql "$@")"; }

unix_sql() { if [ "$STORE" = postgresql ]; then echo "extract(epoch from $1)::bigint"; else echo "$1"; fi; }

# "number credits end" of each, by renewd.
paid() {
    sql "select (cast(substr(cast(s.id as text), 25) as integer) - 1000) || ' ' || (select count(*) from token_wallet_transactions t
         where t.user_id = s.user_id) || ' ' || $(unix_sql s.current_period_end) from user_subscriptions s order by s.id"
}

# The same by PostgreSQL: the first end after AT, and how many lie before it.
oracle() {
    sql_pg "select number || ' ' || (min(n) - 1) || ' ' || extract(epoch from min(e))::bigint from (select number, n,
        (start + n * interval '1 month') at time zone zone as e from ($(values)) u cross join generate_series(1, 400) n) x
        where e > timestamptz '$AT' group by number order by number"
}
values() {
    awk 'BEGIN { printf "values " } { printf "%s(%d, \047%s\047, timestamp \047%s\047, timestamp \047%s\047)", (NR > 1 ? "," : ""), $1, $2, $3, $4 }
         END { print "" }' <<< "$USERS" | sed 's/^/select * from (/; s/$/) v(number, zone, start, finish)/'
}

zones() { # STORE
    local s="$1" number zone start end
    stage_zones "$1" ''
    sql_pg "select number, zone, extract(epoch from start at time zone zone)::bigint,
            extract(epoch from finish at time zone zone)::bigint from ($(values)) u" | tr '|' ' ' > "$DIR/rows"
    while read -r number zone start end; do add_sql "$number" "$zone" "$start" "$end"; done < "$DIR/rows" > "$DIR/rows.sql"
    sql_file "$DIR/rows.sql"
    once > /dev/null 2>&1
    check_equal "$s: each month of each zone is paid, and ends where PostgreSQL has it" "$(oracle)" "$(paid)"
    check_match "$s: an Indian month ends at Indian midnight" '^1 4 1785522600$' "$(paid | grep '^1 ')" # 2026-07-31T18:30Z
    sql "update user_subscriptions set timezone = 'Asia/Nowhere', current_period_end = $(time_of 1780000000)
         where id = '$(uuid 1001)'"
    once > /dev/null 2>&1
    check_equal "$s: a zone that is none fails its row alone" "bad_zone" \
        "$(sql "select last_code from $(own records) where rkey = '$(uuid 1001)'")"
}

of_the_job() { # STORE
    local s="$1, the job's zone"
    stage_zones "$1" '' -e 's,^timezone = "UTC",timezone = "Asia/Kolkata",'
    add 1 '' "$(unix Asia/Kolkata 2026-02-01T00:00:00)" "$(unix Asia/Kolkata 2026-03-01T00:00:00)"
    add 2 America/Sao_Paulo "$(unix America/Sao_Paulo 2026-03-01T00:00:00)" "$(unix America/Sao_Paulo 2026-04-01T00:00:00)"
    once > /dev/null 2>&1
    check_equal "$s: months are its own, or the account's" \
        "1 5 $(unix Asia/Kolkata 2026-08-01T00:00:00)
2 4 $(unix America/Sao_Paulo 2026-08-01T00:00:00)" "$(paid)"
}

as_the_row() { # STORE
    local s="$1, as the row"
    stage_zones "$1" 'period = "as the row";'
    add 1 '' "$(unix UTC 2024-02-29T00:00:00)" "$(unix UTC 2025-02-28T00:00:00)"
    add 2 Europe/Berlin "$(unix Europe/Berlin 2025-11-30T00:00:00)" "$(unix Europe/Berlin 2026-02-28T00:00:00)"
    add 3 '' "$(unix UTC 2026-06-01T00:00:00)" "$(unix UTC 2026-06-15T00:00:00)"
    once > /dev/null 2>&1
    check_equal "$s: a year, a quarter and a fortnight stay what they are" \
        "1 2 $(unix UTC 2027-02-28T00:00:00)
2 2 $(unix Europe/Berlin 2026-08-30T00:00:00)
3 3 $(unix UTC 2026-07-27T00:00:00)" "$(paid)"
    stage_zones "$1" ''
    add 1 '' "$(unix UTC 2025-06-01T00:00:00)" "$(unix UTC 2026-06-01T00:00:00)"
    once > /dev/null 2>&1
    check_match "$s: else it becomes a month, which the log says" 'its period of 365 days is followed by a period of one month' \
        "$(cat "$DIR/renewd.log")"
}

make_store postgresql
ORACLE=$DSN
for store in ${STORES:-sqlite postgresql}; do
    zones "$store"
    of_the_job "$store"
    as_the_row "$store"
done
finish
