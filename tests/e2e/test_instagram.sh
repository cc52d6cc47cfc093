#!/bin/bash
# SPDX-License-Identifier: MIT
# The Instagram jobs as shipped, on both stores: no token under a day old is asked for, an expired one is
# presented once, short-lived ones are exchanged, both families stay apart; and the connections of a
# service's customers, with strikes, warnings and what clears them.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/graph.sh"

stage() { # STORE
    make_store "$1"
    sim reset '{}' > /dev/null
    AHEAD=0
    forget_renewd
    write_conf
    sim clients '{"provider":"instagram","client_id":"app","client_secret":"hush-instagram"}' > /dev/null
    sim clients '{"provider":"facebook","client_id":"app","client_secret":"hush-facebook"}' > /dev/null
}

# --- Instagram Login ------------------------------------------------------------------------------

creator() { # NAME MEMBERS [EXPIRES SQL]
    account instagram "$1" "$2"
    sql "insert into airpublisher_instagram_tokens (creator_unique_identifier, instagram_access_token, expires_at)
         values ('$1', $(text "$TOKEN"), ${3:-$(time_sql "$EXPIRES")})"
}

column() { # NAME COLUMN
    sql "select $2 from airpublisher_instagram_tokens where creator_unique_identifier = '$1'"
}

presented() { sim_account instagram "$1" refresh_ok; }

in_life() { # NAME: its expiry lies 50 days and more ahead of the simulator's time
    local now
    now=$(sim_get clock | json '$.now')
    sql "select count(*) from airpublisher_instagram_tokens where creator_unique_identifier = '$1'
         and expires_at > $(time_sql $((now + 50 * 86400)))"
}

login() { # STORE
    local s="$1, login" i
    stage "$1"
    sql_file "$TOP/sql/$STORE/airpublisher.sql"
    job instagram.conf instagram
    for i in 1 2 3 4 5 6; do creator "near-$i" "\"age\":$(days 54),\"rotate\":$([ $((i % 2)) = 0 ] && echo true || echo false)"; done
    creator far "\"age\":$(days 30)"
    creator fresh '"age":3600'
    creator expired "\"age\":$(days 61)"
    creator short '"age":600,"expires_in":3600'
    creator unknown "\"age\":$(days 20)" null
    creator newborn '"age":3600' null
    creator password "\"age\":$(days 55)"
    sim revoke '{"provider":"instagram","account":"password","reason":"460"}' > /dev/null
    creator tester "\"age\":$(days 55)"
    sim revoke '{"provider":"instagram","account":"tester","reason":"tester"}' > /dev/null
    sql "update airpublisher_instagram_tokens set instagram_access_token = null where creator_unique_identifier = 'none'"
    check_fails "$s: ten of a run" once
    check_equal "$s: as shipped" 10 "$(sql "select refreshed + failed from $(own runs) order by id desc limit 1")"
    once
    for i in near-1 near-2 near-6 short; do
        check_equal "$s: $i is refreshed once" 1 "$(presented $i)"
        check_equal "$s: $i has its new life" 1 "$(in_life $i)"
        check_equal "$s: $i has its token" "$(sim_account instagram $i access_token)" "$(column $i instagram_access_token)"
    done
    check_equal "$s: none that is far from its end" 0 "$(presented far)"
    check_equal "$s: none of today" 0 "$(presented fresh)"
    check_equal "$s: an expired one wants its person" '4|190/463|0' "$(stands expired)"
    check_equal "$s: a changed password too" '4|190/460|0' "$(stands password)"
    check_equal "$s: \"Unsupported request\" is a strike at first" '2|100|1' "$(stands tester)"
    check_equal "$s: one of unknown age waits for its day" '2|too_early|0' "$(stands unknown)"
    check_equal "$s: so does one of an hour" '2|too_early|0' "$(stands newborn)"
    sim mark '{}' > /dev/null
    later 1800
    once
    check_equal "$s: half an hour later there is nothing to ask" 0 "$(sim_count instagram requests)"
    later 2400
    once
    check_equal "$s: \"Unsupported request\" an hour later is believed" '4|100|1' "$(stands tester)"
    later "$(days 1)"
    once
    check_equal "$s: a day later the unknown one is refreshed" 1 "$(presented unknown)"
    check_equal "$s: and has its end" 1 "$(in_life unknown)"
    for ((i = 0; i < 19; i++)); do
        later "$(days 3)"
        once > /dev/null 2>&1
    done
    for i in near-1 near-2 short unknown newborn far fresh; do
        check_match "$s: $i lives after two months" '^[1-9]' "$(presented $i)"
        check_equal "$s: $i is in the middle of its life" live "$(sim_token "$(column $i instagram_access_token)" state)"
        check_match "$s: $i was asked for seldom" '^[12]$' "$(presented $i)"
    done
    check_equal "$s: no token under a day old was ever asked for" 0 \
        "$(sim_get 'accounts?provider=instagram&format=tsv' | awk -F '\t' '{ n += $6 } END { print n }')"
}

wrong_secret() { # STORE
    local s="$1, wrong secret"
    stage "$1"
    sql_file "$TOP/sql/$STORE/airpublisher.sql"
    job instagram.conf instagram
    sim clients '{"provider":"instagram","client_id":"app","client_secret":"another"}' > /dev/null
    creator short '"age":600,"expires_in":3600'
    creator near "\"age\":$(days 55)"
    check_fails "$s: it is said" once
    check_equal "$s: misconfigured, and nobody is told" '5|100|0' "$(stands short)"
    check_equal "$s: a refresh takes no secret" '1||0' "$(stands near)"
}

families() { # STORE: both jobs on one table
    local s="$1, families"
    stage "$1"
    sql_file "$TOP/sql/$STORE/airpublisher.sql"
    job instagram.conf instagram
    job instagram-facebook.conf facebook -e 's/hush-instagram/&/'
    INSTAGRAM_APP_SECRET_ALYAN=hush-facebook
    creator ig "\"age\":$(days 55)"
    account facebook fb "\"age\":$(days 55)"
    sql "insert into airpublisher_instagram_tokens (creator_unique_identifier, facebook_access_token, expires_at)
         values ('fb', $(text "$TOKEN"), $(time_sql "$EXPIRES"))"
    check "$s: both are refreshed" once
    check_equal "$s: one at Instagram" 1 "$(sim_count instagram requests)"
    check_equal "$s: one at Facebook" 1 "$(sim_count facebook requests)"
    check_equal "$s: each keeps to its column" "$(sim_account facebook fb access_token)|" \
        "$(column fb "facebook_access_token || '|' || coalesce(instagram_access_token, '')")"
    INSTAGRAM_APP_SECRET_ALYAN=hush-instagram
}

# --- a service's customers, by Facebook Login ------------------------------------------------------

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

customers() { # STORE
    local s="$1, customers" day unknown='{"error":{"message":"?","type":"OAuthException","code":9999}}'
    stage "$1"
    # An application's own tables, without what renewd adds.
    if [ "$STORE" = postgresql ]; then
        sql "create table users (id bigint primary key, email text, username text)"
        sql "create table instagram_connections (id bigint primary key, user_id bigint, access_token text, token_expires_at timestamp)"
    else
        sql "create table users (id integer primary key, email text, username text)"
        sql "create table instagram_connections (id integer primary key, user_id integer, access_token text, token_expires_at timestamp)"
    fi
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
    check_match "$s: what passed its end is not forgotten" '^1\|190/463' "$(warned 4)|$(connection 4 last_refresh_error)"
    check_equal "$s: nobody asks for what lives long" 0 "$(sim_account facebook customer-5 refresh_ok)"
    check_match "$s: a fault of the provider's is told" '^0\|transient' "$(connection 6 refresh_attempts)|$(connection 6 last_refresh_error)"
}

start_simulator
for store in ${STORES:-sqlite postgresql}; do
    login $store
    wrong_secret $store
    families $store
    customers $store
done
no_secrets_in_logs
finish
