#!/bin/bash
# SPDX-License-Identifier: MIT
# The Meta job as shipped, on both stores: tokens are exchanged seven days ahead, apps that share one get the
# new one by a single exchange, what never ends is left alone, an exchange without use is not repeated
# within a day, a second round trip that fails loses nothing.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/graph.sh"

stage() { # STORE SED...
    graph_stage "$1"
    sql_file "$TOP/sql/$STORE/meta.sql"
    job meta.conf facebook "${@:2}"
}

app() { # NAME MEMBERS [EXPIRES SQL]: a new token
    account facebook "$1" "$2"
    holder "$1" "${3:-$(time_sql "$EXPIRES" "$zone")}"
}

holder() { # NAME EXPIRES SQL: holds TOKEN
    sql "insert into \"App\" (\"id\", \"name\", \"userId\") values ('$1', 'app $1', 'user-1')"
    sql "insert into \"AppSettings\" (\"id\", \"appId\", \"metaPixelId\", \"metaAccessToken\", \"metaTokenExpiresAt\")
         values ('$1', '$1', 'px-$1', $(text "$TOKEN"), $2)"
}

column() { # NAME COLUMN
    sql "select \"$2\" from \"AppSettings\" where \"id\" = '$1'"
}

status() { # NAME: as the view says
    sql "select status from \"MetaTokenStatus\" where app_name = 'app $1'"
}

exchanges() { sim_account facebook "$1" refresh_ok; }

asked() { sim_count facebook requests; }

tokens() { # STORE
    local s="$1, tokens" shared
    zone=
    [ "$1" = postgresql ] && zone=without
    stage "$1"
    app near "\"age\":$(days 54)"
    app far "\"age\":$(days 30)"
    app shared "\"age\":$(days 55)"
    holder shared-2 "$(time_sql "$EXPIRES" "$zone")"
    holder shared-3 "$(time_sql "$EXPIRES" "$zone")"
    app never '"testing":true' null
    app unsaid "\"age\":$(days 30)" null
    app mute "\"age\":$(days 55),\"rotate\":true"
    app short '"age":600,"expires_in":3600'
    app expired "\"age\":$(days 61)"
    app removed "\"age\":$(days 55)"
    sim revoke '{"provider":"facebook","account":"removed","reason":"458"}' > /dev/null
    app permission "\"age\":$(days 55)"
    sim misbehave '{"mode":"json","provider":"facebook","account":"permission","status":403,"count":1,
                    "body":"{\"error\":{\"code\":200,\"message\":\"x\"}}"}' > /dev/null
    check_equal "$s: a view tells before" 'Expiring soon|Valid|No expiry set|EXPIRED' \
        "$(status near)|$(status far)|$(status never)|$(status expired)"
    check_fails "$s: some need a person" once
    check_equal "$s: a week ahead it is exchanged" 1 "$(exchanges near)"
    check_equal "$s: its token is the new one" "$(sim_account facebook near access_token)" "$(column near metaAccessToken)"
    check_equal "$s: and lives long" Valid "$(status near)"
    check_equal "$s: not sooner" 0 "$(exchanges far)"
    check_equal "$s: one exchange for all that share a token" 1 "$(exchanges shared)"
    shared=$(sim_account facebook shared access_token)
    check_equal "$s: all of them have it" "$shared|$shared|$shared" \
        "$(column shared metaAccessToken)|$(column shared-2 metaAccessToken)|$(column shared-3 metaAccessToken)"
    check_equal "$s: what never ends is left alone" '0|No expiry set' "$(exchanges never)|$(status never)"
    check_equal "$s: an end that nobody knew is looked up, no more" '0|Valid' "$(exchanges unsaid)|$(status unsaid)"
    check_equal "$s: an answer without expires_in is looked up" '1|Valid' "$(exchanges mute)|$(status mute)"
    check_equal "$s: a short-lived one is exchanged at once, for a long-lived one" '1|Valid' "$(exchanges short)|$(status short)"
    check_equal "$s: an expired one wants its person" '4|190/463|0' "$(stands expired)"
    check_equal "$s: so does a removed app" '4|190/458|0' "$(stands removed)"
    check_equal "$s: the view says so, though its end lies days ahead" 'Reconnect needed|Reconnect needed' \
        "$(status removed)|$(status expired)"
    check "$s: the schema may be run again" sql_file "$TOP/sql/$STORE/meta.sql"
    check_equal "$s: and the view still knows" 'Reconnect needed|Valid' "$(status removed)|$(status far)"
    check_equal "$s: and a permission that is missing" '4|200|0' "$(stands permission)"
    sim mark '{}' > /dev/null
    once
    check_equal "$s: again there is nothing to ask" 0 "$(asked)"
    later "$(days 24)"
    once
    check_equal "$s: nor weeks later for what never ends" 1 "$(sim_token "$(column never metaAccessToken)" presented)"
    check_equal "$s: but what came near" 1 "$(exchanges unsaid)"
    account facebook anew ''
    sql "update \"AppSettings\" set \"metaAccessToken\" = $(text "$TOKEN"), \"metaTokenExpiresAt\" = $(time_sql $((EXPIRES - 55 * 86400)) "$zone") where \"id\" = 'removed'"
    once
    check_equal "$s: connected again it goes on" '1||0' "$(stands removed)"
}

useless() { # STORE: an exchange that does not extend
    local s="$1, useless"
    stage "$1"
    app same "\"age\":$(days 55),\"grace\":1"
    check "$s: it is taken" once
    check_equal "$s: once" 1 "$(exchanges same)"
    check_match "$s: and said with its causes" 'grants [0-9]+ hours of life instead of about 60 days\. Causes' "$(cat "$DIR/renewd.log")"
    later 7200
    once
    later 40000
    once
    check_equal "$s: not again within a day" 1 "$(exchanges same)"
    later 50000
    once
    check_equal "$s: a day later it is tried again" 2 "$(exchanges same)"
}

checkpoint() { # STORE: a person has to log in at facebook.com, and has done so a day later
    local s="$1, checkpoint" subcode
    stage "$1"
    for subcode in 459 464; do
        app s$subcode "\"age\":$(days 54)"
        sim misbehave "{\"mode\":\"json\",\"provider\":\"facebook\",\"account\":\"s$subcode\",\"status\":400,\"count\":1,
            \"body\":\"{\\\"error\\\":{\\\"code\\\":190,\\\"error_subcode\\\":$subcode}}\"}" > /dev/null
    done
    check_fails "$s: it is said" once
    check_equal "$s: as what a person has to do, without a strike" '4|190/459|0 4|190/464|0' \
        "$(stands s459) $(stands s464)"
    check_match "$s: which is told" 'log in at facebook.com first.*remedy=.*tries again by itself' "$(cat "$DIR/renewd.log")"
    check_match "$s: of both" 'confirm the account at facebook.com first' "$(cat "$DIR/renewd.log")"
    check_equal "$s: nothing is dead" '0' "$(sql "select count(*) from $(own credentials) where dead <> 0")"
    sim mark '{}' > /dev/null
    later 80000
    once
    check_equal "$s: they are not asked for within a day" 0 "$(asked)"
    later 10000
    check "$s: a day later they are" once
    check_equal "$s: and the same token is exchanged" '1|1' "$(exchanges s459)|$(exchanges s464)"
    check_equal "$s: all is well" '1||0|Valid' "$(stands s459)|$(status s459)"
}

data_access() { # STORE: the token lives for ever, what it may reach does not
    local s="$1, data access"
    stage "$1" -e 's/# data_access_expires_at = "...";.*/data_access_expires_at = "dataUntil";/'
    sql "alter table \"AppSettings\" add column \"dataUntil\" $([ "$1" = sqlite ] && echo integer || echo timestamptz)" > /dev/null
    app never '"testing":true' null
    sim misbehave "{\"mode\":\"json\",\"provider\":\"facebook\",\"path\":\"/debug_token\",\"status\":200,\"count\":1,
        \"body\":\"{\\\"data\\\":{\\\"is_valid\\\":true,\\\"expires_at\\\":0,\\\"data_access_expires_at\\\":1700000000}}\"}" > /dev/null
    check "$s: a token that never ends" once
    check_equal "$s: the end of its data is stored" 1 \
        "$(sql "select count(*) from \"AppSettings\" where \"dataUntil\" = $(time_sql 1700000000)")"
    check_match "$s: and said" "access to the person's data only until 2023-11-14T22:13:20Z" "$(cat "$DIR/renewd.log")"
}

lost() { # STORE: the second round trip fails
    local s="$1, lost"
    stage "$1"
    app mute "\"age\":$(days 55),\"rotate\":true"
    sim misbehave '{"mode":"drop_before","provider":"facebook","path":"/debug_token","count":-1}' > /dev/null
    check "$s: the token is what counts" once
    check_equal "$s: it is stored" "$(sim_account facebook mute access_token)" "$(column mute metaAccessToken)"
    check_equal "$s: its end is unknown" 'No expiry set' "$(status mute)"
    sim mark '{}' > /dev/null
    later 3600
    once
    check_equal "$s: it is not asked for at once" 0 "$(asked)"
    later "$(days 1)"
    sim misbehave '{"clear":true}' > /dev/null
    once
    check_equal "$s: a day later its end is known" '1|Valid' "$(exchanges mute)|$(status mute)"
}

config() { # STORE
    local s="$1, configuration"
    stage "$1" -e 's/refresh_before = "7d"/refresh_before = "30d"/'
    app near "\"age\":$(days 32)"
    app far "\"age\":$(days 20)"
    check "$s: thirty days ahead" once
    check_equal "$s: where the job says so" '1|0' "$(exchanges near)|$(exchanges far)"
    sim clients '{"provider":"facebook","client_id":"app","client_secret":"another"}' > /dev/null
    app other "\"age\":$(days 55)"
    app unsaid "\"age\":$(days 55)" null
    check_fails "$s: a wrong secret is said" once
    check_equal "$s: and condemns nobody" '5|1|0 5|190|0' "$(stands other) $(stands unsaid)"
    sim clients '{"provider":"facebook","client_id":"app","client_secret":"hush-facebook"}' > /dev/null
    sim misbehave '{"mode":"status","provider":"facebook","status":400,"count":1,"body":"{\"error\":{\"code\":4}}",
                    "headers":{"X-Business-Use-Case-Usage":"{\"1\":[{\"call_count\":100,\"estimated_time_to_regain_access\":19}]}"}}' > /dev/null
    later "$(days 1)"
    app limited "\"age\":$(days 59)"
    once
    check_match "$s: a limit is waited for" '^3\|4\|0' "$(sql "select last_outcome, last_code, strikes from $(own records) where last_code = '4'")"
}

zone=''
start_simulator
for store in ${STORES:-sqlite postgresql}; do
    tokens $store
    useless $store
    checkpoint $store
    data_access $store
    lost $store
    config $store
done
no_tokens_in_logs
finish
