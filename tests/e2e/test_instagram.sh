#!/bin/bash
# SPDX-License-Identifier: MIT
# The Instagram jobs as shipped, on both stores: no token under a day old is asked for, an expired one is
# presented once, short-lived ones are exchanged, both families stay apart.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/graph.sh"

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
    graph_stage "$1"
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
    check_equal "$s: \"Unsupported request\" may mean that it is too young" '2|100|0' "$(stands tester)"
    check_equal "$s: one of unknown age waits for its day" '2|too_early|0' "$(stands unknown)"
    check_equal "$s: so does one of an hour" '2|too_early|0' "$(stands newborn)"
    sim mark '{}' > /dev/null
    later 1800
    once
    check_equal "$s: half an hour later there is nothing to ask" 0 "$(sim_count instagram requests)"
    later "$(days 1)"
    once
    check_equal "$s: a day later \"Unsupported request\" is a strike" '2|100|1' "$(stands tester)"
    later 4200
    once
    check_equal "$s: \"Unsupported request\" an hour later is believed" '4|100|1' "$(stands tester)"
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

# Tokens of an hour that look older: their stored end is wrong, or the provider grants shorter lives. They
# are asked for too early, which harms none of them.
young() { # STORE
    local s="$1, young" i now
    graph_stage "$1"
    sql_file "$TOP/sql/$STORE/airpublisher.sql"
    job instagram.conf instagram
    now=$(date +%s)
    creator wrong '"age":3600' "$(time_sql $((now + 36 * 3600)))"
    creator soon '"age":3600' "$(time_sql $((now + 12 * 3600)))"
    creator past '"age":3600' "$(time_sql $((now - 3600)))"
    creator week '"age":3600,"expires_in":604800'
    creator dying "\"age\":$((60 * 86400 - 43200))"
    check_fails "$s: a refusal is a failure of the run" once
    for i in wrong soon past week; do
        check_equal "$s: $i is refused, which counts for nothing" '2|100|0 0' "$(stands $i) $(presented $i)"
    done
    check_match "$s: the log says what it may be" 'record=week .*under a day old' "$(cat "$DIR/renewd.log")"
    check_equal "$s: one that ends within hours indeed is refreshed" 1 "$(presented dying)"
    for ((i = 0; i < 8; i++)); do
        later 10800
        once > /dev/null 2>&1
    done
    for i in wrong soon past week; do
        check_equal "$s: $i is refreshed when it is a day old" '1||0 1' "$(stands $i) $(presented $i)"
    done
    check_equal "$s: its end is the provider's" "$(in_life wrong)" 1
    check_equal "$s: nobody was told to reconnect" 0 \
        "$(sql "select count(*) from $(own attempts) where outcome = 'reconnect'")"
    check "$s: a token that may be too young is seldom asked for" test "$(sim_count instagram reuse)" -le 9
}

wrong_secret() { # STORE
    local s="$1, wrong secret"
    graph_stage "$1"
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
    graph_stage "$1"
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

start_simulator
for store in ${STORES:-sqlite postgresql}; do
    login $store
    young $store
    wrong_secret $store
    families $store
done
no_tokens_in_logs
finish
