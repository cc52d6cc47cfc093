#!/bin/bash
# SPDX-License-Identifier: MIT
# The connections of a service's customers (Instagram by Facebook Login), on both stores: strikes, warnings and
# what clears them, the columns that are added, and the daily run at three in the job's zone, also on the days
# on which clocks are changed.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/graph.sh"

customer() { # NUMBER MEMBERS
    account facebook "customer-$1" "$2"
    sql "insert into users (id, email, username) values ($1, 'u$1@example.com', 'u$1')"
    sql "insert into instagram_connections (id, user_id, access_token, token_expires_at)
         values ($1, $1, $(text "$TOKEN"), $(time_sql "$EXPIRES" without))"
}

connection() { # NUMBER COLUMNS
    sql "select $2 from instagram_connections c join users u on u.id = c.user_id where c.id = $1"
}

warned() { # NUMBER: 0 or 1
    connection "$1" 'case when u.show_token_warning then 1 else 0 end'
}

stumble() { # NUMBER JSON BODY STATUS: one answer
    sim misbehave "{\"mode\":\"json\",\"provider\":\"facebook\",\"account\":\"customer-$1\",\"status\":$3,\"count\":1,
                   \"body\":$(sqlite3 :memory: "select json_quote($(text "$2"))")}" > /dev/null
}

bare_tables() { # an application's own, without what renewd adds
    local id=bigint
    [ "$STORE" = postgresql ] || id=integer
    sql "create table users (id $id primary key, email text, username text)"
    sql "create table instagram_connections (id $id primary key, user_id $id, access_token text, token_expires_at timestamp)"
}

customers() { # STORE
    local s="$1, customers" day unknown='{"error":{"message":"?","type":"OAuthException","code":9999}}'
    graph_stage "$1"
    bare_tables
    job instagram-connections.conf facebook
    once
    check_match "$s: missing columns are named, with what adds them" 'ALTER TABLE .*refresh_attempts' "$(cat "$DIR/renewd.log")"
    (cd "$DIR" && sql_file "$TOP/sql/$STORE/instagram_saas.sql") ||
        not_ok "$s: the schema adds the columns" ''
    check "$s: the schema may be run again" sql_file_in_dir "$TOP/sql/$STORE/instagram_saas.sql"
    customer 1 "\"age\":$(days 55)"
    customer 2 "\"age\":$(days 54)"
    customer 3 "\"age\":$(days 55)"
    customer 4 "\"age\":$(days 61)"
    customer 5 "\"age\":$(days 10)"
    customer 6 "\"age\":$(days 55)"
    sim revoke '{"provider":"facebook","account":"customer-3","reason":"458"}' > /dev/null
    stumble 6 '{}' 503
    customer 7 "\"age\":$(days 55)"
    stumble 7 '{"error":{"code":190,"error_subcode":459}}' 400
    for day in 1 2 3; do
        stumble 2 "$unknown" 400
        once
        [ $day = 3 ] || check_equal "$s: strike $day" "$day|0" "$(connection 2 refresh_attempts)|$(warned 2)"
        [ $day = 1 ] && first_day "$s"
        later "$(days 1)"
    done
    check_equal "$s: the third strike warns" '3|1' "$(connection 2 refresh_attempts)|$(warned 2)"
    once
    check_equal "$s: success clears all of it" '0|0|' \
        "$(connection 2 refresh_attempts)|$(warned 2)|$(connection 2 last_refresh_error)"
    check_equal "$s: a checkpoint passes, once its person has logged in" '0|0|' \
        "$(connection 7 refresh_attempts)|$(warned 7)|$(connection 7 last_refresh_error)"
    check_equal "$s: a fault of the provider's is no strike and passes" '0||0' \
        "$(connection 6 refresh_attempts)|$(connection 6 last_refresh_error)|$(warned 6)"
    account facebook customer-3b ''
    sql "update instagram_connections set access_token = $(text "$TOKEN"), token_expires_at = $(time_sql "$EXPIRES" without) where id = 3"
    sql "update instagram_connections set token_expires_at = $(time_sql $((EXPIRES - 54 * 86400)) without) where id = 3"
    once
    check_equal "$s: connected again, the warning goes" 0 "$(warned 3)"
}

sql_file_in_dir() { (cd "$DIR" && sql_file "$1"); }

first_day() {
    local s=$1
    check_equal "$s: refreshed, noted, no error" 1 "$(sql "select count(*) from instagram_connections where id = 1
        and token_refreshed_at is not null and refresh_attempts = 0 and last_refresh_error is null")"
    check_equal "$s: the new token" "$(sim_account facebook customer-1 access_token)" "$(connection 1 access_token)"
    check_match "$s: a dead grant warns at once, without a strike" '^0\|1\|190/458' \
        "$(connection 3 refresh_attempts)|$(warned 3)|$(connection 3 last_refresh_error)"
    check_match "$s: a checkpoint warns at once, without a strike" '^0\|1\|190/459: .*log in at facebook.com' \
        "$(connection 7 refresh_attempts)|$(warned 7)|$(connection 7 last_refresh_error)"
    check_match "$s: what passed its end is not forgotten" '^1\|190/463' "$(warned 4)|$(connection 4 last_refresh_error)"
    check_equal "$s: nobody asks for what lives long" 0 "$(sim_account facebook customer-5 refresh_ok)"
    check_match "$s: it is shown as one that wants its person, and where" \
        'record=4 .*outcome=reconnect.*remedy=.*reconnect_url=https://app.example.com/connections' "$(cat "$DIR/renewd.log")"
    check_equal "$s: as a state, too" '3 4' "$(sql "select rkey from $(own records) where state = 4 order by rkey" | tr '\n' ' ' | sed 's/ $//')"
    check_match "$s: a fault of the provider's is told" '^0\|transient' "$(connection 6 refresh_attempts)|$(connection 6 last_refresh_error)"
}

# What the log says adds the missing columns, typed in as it stands there.
told_columns() { # STORE
    local s="$1, columns" alter
    graph_stage "$1"
    bare_tables
    job instagram-connections.conf facebook
    for _ in 1 2 3 4 5; do
        once
        alter=$(grep -o 'ALTER TABLE [^|]*' "$DIR/renewd.log" | sed 's/["]*$//; s/\\"/"/g' | head -1)
        [ -n "$alter" ] || break
        sql "$alter" || break
    done
    customer 1 "\"age\":$(days 55)"
    check "$s: after what it said to do the job runs" once
    check_equal "$s: and writes them" '0||0' \
        "$(connection 1 refresh_attempts)|$(connection 1 last_refresh_error)|$(warned 1)"
    check_equal "$s: all four" 1 "$(sql "select count(*) from instagram_connections where token_refreshed_at is not null")"
}

set_clock() { # UNIX
    AHEAD=$(($1 - $(date +%s)))
    sim clock "{\"now\":$1}" > /dev/null
}

# The run at three that is the last before a record's time takes it; the minute before that does not. A week
# and a day before the token ends, on the day given.
three_oclock() { # STORE ZONE DAY
    local s="$1, three o'clock in $2 around $3" from point tick
    graph_stage "$1"
    bare_tables
    (cd "$DIR" && sql_file "$TOP/sql/$STORE/instagram_saas.sql")
    job instagram-connections.conf facebook -e "s|^timezone = .*|timezone = \"$2\";|"
    from=$(date -u -d "$3 12:00" +%s)
    set_clock $((from - 52 * 86400))
    customer 1 ''
    sql "update instagram_connections set token_expires_at = $(time_sql $((from + 8 * 86400)) without)"
    once
    point=$(sql "select point from $(own records)")
    tick=$(TZ=$2 date -d "$(TZ=$2 date -d "@$point" +%F) 03:00" +%s)
    [ "$tick" -le "$point" ] || tick=$(TZ=$2 date -d "$(TZ=$2 date -d "@$((point - 86400))" +%F) 03:00" +%s)
    set_clock $((tick - 60))
    once
    check_equal "$s: a minute before it is not asked" 0 "$(sim_account facebook customer-1 refresh_ok)"
    set_clock $((tick + 1))
    once
    check_equal "$s: at three it is exchanged" 1 "$(sim_account facebook customer-1 refresh_ok)"
    echo "# $s: $(TZ=$2 date -d "@$tick" '+%F %T %Z') is $(date -u -d "@$tick" +%TZ)"
}

start_simulator
for store in ${STORES:-sqlite postgresql}; do
    customers $store
    told_columns $store
    three_oclock $store America/Sao_Paulo 2026-06-10
    three_oclock $store America/New_York 2026-03-08 # to summer time that night
    three_oclock $store America/New_York 2026-11-01 # and back
done
finish
