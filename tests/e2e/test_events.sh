#!/bin/bash
# SPDX-License-Identifier: MIT
# Events on both stores: kept before they are acknowledged, sent in batches, each once; what comes again is known;
# a bad one is set aside alone; held while their pixel is refused, waiting while their token is dead, given up when
# they are too old; refused when too many wait already.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/graph.sh"
. "$(dirname "$0")/events.sh"

start_simulator

simple() { # STORE
    local s="$1, simple" id
    events_stage "$1"
    app one
    app two px-two
    start_ready || exit 1
    check_equal "$s: one event is taken" 202 "$(event e-1 | post one)"
    check_equal "$s: with its event_id" e-1 "$(member_of 'events[0].event_id')"
    id=$(member_of 'events[0].id')
    check "$s: it is sent" come sent=1
    check_equal "$s: and the provider has it" e-1 "$(received px-one)"
    check_equal "$s: handed in again it is taken" 202 "$(event e-1 | post one)"
    check_equal "$s: as what it is" "1 $id" "$(member_of 'events[0].duplicate') $(member_of 'events[0].id')"
    check_equal "$s: the same id by another name is another event" 202 "$(event e-1 AddToCart | post one)"
    check_equal "$s: that is new" 0 "$(member_of 'events[0].duplicate')"
    check_equal "$s: so it is for another record" 202 "$(event e-1 | post two)"
    check "$s: all are sent" come sent=3
    check_equal "$s: each once" '3 0' "$(sim_get events | json '$.received') $(repeats)"
    check_equal "$s: the text is no longer kept" 0 "$(sql "select count(*) from $(own events) where text is not null")"
    check_match "$s: a line says what was sent" 'msg="events sent" job=meta record=one .*destination=px-one events=1' \
        "$(cat "$DIR/renewd.all")"
    stop_renewd
}

bodies() { # what is taken, and what is refused as a whole
    local s="bodies" id
    events_stage sqlite
    app one
    start_ready || exit 1
    check_equal "$s: a list" 202 "$({ printf '['; event a-1; printf ','; event a-2; printf ']'; } | post one)"
    check_equal "$s: a member events" 202 "$({ printf '{"events":['; event a-3; printf ']}'; } | post one)"
    check_equal "$s: a member data" 202 "$({ printf '{"data":['; event a-4; printf ']}'; } | post one)"
    check "$s: all are sent" come sent=4
    check_equal "$s: one without a name" 400 "$({ printf '['; event a-5; printf ',{"event_id":"x"}]'; } | post one)"
    check_match "$s: is pointed at" '^event 1: .*event_name' "$(member_of error.message)"
    check_equal "$s: half a surrogate pair" 400 "$(printf '{"event_name":"x","event_id":"x\\udc00"}' | post one)"
    check_match "$s: is told with its member" 'not text .* in event_id, at offset' "$(member_of error.message)"
    check_equal "$s: a thousand and one" 413 "$(events 1 1001 | post one)"
    check_equal "$s: no JSON" 400 "$(printf '[1' | post one)"
    check_equal "$s: none" 400 "$(printf '[]' | post one)"
    check_equal "$s: a text" 400 "$(printf '"x"' | post one)"
    check_equal "$s: a member beside the list" 400 "$({ printf '{"data":['; event a-5; printf '],"upload_tag":"T"}'; } | post one)"
    check_match "$s: that nobody reads" 'unknown member "upload_tag"' "$(member_of error.message)"
    check_equal "$s: another type" 415 "$(event a-6 | TYPE=text/plain post one)"
    check_equal "$s: an unknown record" 404 "$(event a-7 | post nobody)"
    check_equal "$s: a method" 405 "$(post one -X GET < /dev/null)"
    check_equal "$s: nothing of that was kept" sent=4 "$(states)"
    app late
    check_equal "$s: a record of a moment ago" 202 "$(event a-8 | post late)"
    check "$s: its event is sent" come sent=5
    stop_renewd
}

# What every client of Meta's API sends. A test never counts, and never stands for the event that does.
body_of_meta() { # STORE
    local s="$1, Meta's own body" now
    events_stage "$1"
    app one
    start_ready || exit 1
    now=$(date +%s)
    ctl pause meta > /dev/null
    check_equal "$s: with a test code and an agent" 202 "$(printf '{"data":[{"action_source":"website","event_id":12345,
        "event_name":"TestEvent","event_time":"%s","custom_data":{"value":"123","num_items":"4"},"user_data":{"client_user_agent":"UA",
        "em":"f660ab912ec121d1b1e928a0bb4bc61b15f5ad44d5efdc4e1c92a25e99b8e4aa"}}],"test_event_code":"TEST41541",
        "partner_agent":"gtmss-1.0.0","access_token":"EAAG-not-ours"}' "$now" | post one)"
    check_equal "$s: the same one that counts" 202 "$(printf '{"data":[{"action_source":"website","event_id":12345,
        "event_name":"TestEvent","event_time":%s,"user_data":{"client_user_agent":"UA"}}]}' "$now" | post one)"
    check_equal "$s: is another" 0 "$(member_of 'events[0].duplicate')"
    check_equal "$s: a test of another code, in the event" 202 "$(printf '{"test_event_code":"T2","action_source":"website","event_id":12345,
        "event_name":"TestEvent","event_time":%s,"user_data":{"client_user_agent":"UA"}}' "$now" | post one)"
    check_equal "$s: all wait" waiting=3 "$(states)"
    ctl resume meta > /dev/null
    check "$s: all are sent" come sent=3
    check_equal "$s: each in a request with its own mark" "TestEvent TestEvent@T2 TestEvent@TEST41541" \
        "$(sim_get 'events?format=tsv' | cut -f 2 | sort | tr '\n' ' ' | sed 's/ $//')"
    check_equal "$s: in no more requests than that" '3 3' "$(sim_get events | json '$.batches') $(sim_get events | json '$.received')"
    check_equal "$s: one sending each" 0 "$(counted)"
    check_equal "$s: the test again is known" '202 1' "$(printf '{"data":[{"action_source":"website","event_id":12345,
        "event_name":"TestEvent","event_time":%s,"user_data":{"client_user_agent":"UA"}}],"test_event_code":"TEST41541"}' "$now" \
        | post one) $(member_of 'events[0].duplicate')"
    check_no_match "$s: their token is nowhere" 'EAAG-not-ours' "$(cat "$DIR/renewd.all")"
    stop_renewd
}

shared() { # STORE: two records of one token and pixel go in one request
    local s="$1, shared"
    events_stage "$1"
    app one px-shared
    holder two px-shared
    holder other px-other
    start_ready || exit 1
    check "$s: pause" ctl pause meta
    check_equal "$s: one" 202 "$(events 1 20 | post one)"
    check_equal "$s: two" 202 "$(events 21 30 | post two)"
    check_equal "$s: another pixel" 202 "$(events 31 35 | post other)"
    check_equal "$s: a paused job's events wait" waiting=35 "$(states)"
    check "$s: resume" ctl resume meta
    check "$s: all are sent" come sent=35
    check_equal "$s: in one batch where token and pixel agree, in another one else" '2 30 5' \
        "$(sim_get events | json '$.batches') $(received px-shared | wc -l) $(received px-other | wc -l)"
    stop_renewd
}

bad_one() { # STORE
    local s="$1, bad ones"
    events_stage "$1"
    app one
    start_ready || exit 1
    ctl pause meta > /dev/null
    events 1 100 | sed -e 's/"event_id":"e-37"/"event_id":"bad-1"/' | post one > /dev/null
    events 101 150 | post one > /dev/null
    sql "update $(own events) set text = replace(text, '\"Purchase\"', '\"BAD\"') where event_id in ('bad-1', 'e-120')"
    ctl resume meta > /dev/null
    check "$s: two are set aside, the others sent" come 'sent=148 aside=2'
    check_equal "$s: with why" "bad-1 e-120" "$(sql "select event_id from $(own events) where state = 4 and code is not null order by event_id" | tr '\n' ' ' | sed 's/ $//')"
    check_equal "$s: each of the others once" '148 0' "$(received | wc -l) $(repeats)"
    stop_renewd
}

held() { # STORE
    local s="$1, held"
    events_stage "$1"
    app one
    sim pixels '{"pixel":"px-one","account":"one","refusal":33}' > /dev/null
    start_ready || exit 1
    events 1 40 | post one > /dev/null
    check "$s: a refused pixel holds its events" come held=40
    events 41 50 | post one > /dev/null
    check "$s: those that come later as well" come held=50
    check_match "$s: what to do is said" pixel "$(sql "select distinct why from $(own events)")"
    check_equal "$s: the token has no part in it" 1 "$(sql "select state from $(own records) where rkey = 'one'")"
    check_equal "$s: nothing is tried meanwhile" 0 "$(sim mark '{}' > /dev/null; sleep 1; sim_count facebook requests)"
    sim pixels '{"pixel":"px-one","account":"one","refusal":0}' > /dev/null
    sql "update $(own events) set due_at = 0"
    stop_renewd
    start_ready || exit 1
    check "$s: the first success sets all free" come sent=50
    check_equal "$s: each went once" '50 0' "$(received | wc -l) $(repeats)"
    sim pixels '{"pixel":"px-one","account":"one","refusal":10}' > /dev/null
    events 51 60 | post one > /dev/null
    check "$s: a permission that is missing holds, too" come 'held=10 sent=50'
    sim pixels '{"pixel":"px-two","account":"one","refusal":0}' > /dev/null
    sql "update \"AppSettings\" set \"metaPixelId\" = 'px-two'"
    check "$s: another pixel in the row is tried at once" come sent=60
    check_equal "$s: and got them" 10 "$(received px-two | wc -l)"
    account facebook empty '"age":86400'
    holder empty ''
    event e-61 | post empty > /dev/null
    check "$s: without a pixel it is held, too" come 'held=1 sent=60'
    check_equal "$s: and was not sent" 0 "$(sql "select sends from $(own events) where event_id = 'e-61'")"
    stop_renewd
    start_ready || exit 1
    sim pixels '{"pixel":"px-three","account":"empty","refusal":0}' > /dev/null
    sql "update \"AppSettings\" set \"metaPixelId\" = 'px-three' where \"id\" = 'empty'"
    check "$s: one that renewd has held since before its start is tried at once, too" come sent=61
    stop_renewd
}

dead() { # STORE: only a person can help
    local s="$1, reconnect"
    events_stage "$1"
    app one
    start_ready || exit 1
    sim revoke '{"provider":"facebook","account":"one","reason":"460"}' > /dev/null
    events 1 20 | post one > /dev/null
    check "$s: the token is asked for and found dead" wait_until 20 condemned
    check_equal "$s: the events wait" waiting=20 "$(states)"
    check "$s: and say why" wait_until 20 says_why
    check_match "$s: so does the log, with where to go" 'events wait for their access token, which renewd cannot refresh.*reconnect_url=https' "$(cat "$DIR/renewd.all")"
    connect one
    check "$s: with the new token they go out" come sent=20
    check_equal "$s: each once" '20 0' "$(received | wc -l) $(repeats)"
    sim revoke '{"provider":"facebook","account":"one-again","reason":"460"}' > /dev/null
    events 21 30 | post one > /dev/null
    check "$s: dead again" wait_until 20 condemned
    sql "update $(own events) set last_at = 1 where state = 1"
    stop_renewd
    start_ready || exit 1
    check "$s: those whose time is over are given up" come 'sent=20 expired=10'
    check_match "$s: which is said" 'events were dropped.* events=10' "$(cat "$DIR/renewd.all")"
    stop_renewd
}

condemned() { [ "$(sql "select state from $(own records) where rkey = 'one'")" = 4 ]; }

says_why() { [ "$(sql "select count(*) from $(own events) where state = 1 and why is not null")" != 0 ]; }

renewed() { # STORE: the provider refuses the token, and exchanges it
    local s="$1, renewed"
    events_stage "$1"
    app one
    start_ready || exit 1
    sim unfit "{\"token\":\"$TOKEN\"}" > /dev/null
    events 1 20 | post one > /dev/null
    check "$s: the token is exchanged and the events go out" come sent=20
    check_equal "$s: by one exchange" 1 "$(sim_account facebook one refresh_ok)"
    check_equal "$s: each once" '20 0' "$(received | wc -l) $(repeats)"
    check_equal "$s: the table has the new token" "$(sim_account facebook one access_token)" \
        "$(sql "select \"metaAccessToken\" from \"AppSettings\"")"
    stop_renewd
}

weather() { # STORE: 500, 429, an answer that is lost, a kill
    local s="$1, weather" before
    events_stage "$1"
    app one
    start_ready || exit 1
    sim misbehave '{"mode":"status","provider":"facebook","path":"*","status":500,"count":1}' > /dev/null
    events 1 10 | post one > /dev/null
    check "$s: after a 500 they go out" come sent=10
    sim misbehave '{"mode":"retry_after","provider":"facebook","path":"*","retry_after":"2","count":1}' > /dev/null
    events 11 20 | post one > /dev/null
    check "$s: after a 429 they go out" come sent=20
    check_equal "$s: each once" 0 "$(repeats)"
    before=$(counted)
    sim misbehave '{"mode":"drop_after","provider":"facebook","path":"*","count":1}' > /dev/null
    events 21 30 | post one > /dev/null
    check "$s: an answer that is lost" come sent=30
    check_equal "$s: they came twice, with the same ids, and that is counted" '30 10 10' "$(received | wc -l) $(repeats) $(($(counted) - before))"
    sim misbehave '{"mode":"delay","provider":"facebook","path":"*","ms":3000,"when":"after","count":1}' > /dev/null
    sim mark '{}' > /dev/null
    events 31 40 | post one > /dev/null
    check "$s: they are on their way" wait_until 20 asked_for 1
    stop_renewd KILL
    start_ready || exit 1
    check "$s: killed with a batch on its way: it goes out again" come sent=40
    check_equal "$s: all of them are there" 40 "$(received | wc -l)"
    check "$s: no repeat that is not counted" test "$(repeats)" -le "$(counted)"
    sim misbehave '{"mode":"delay","provider":"facebook","path":"*","ms":1000,"when":"after","count":1}' > /dev/null
    sim mark '{}' > /dev/null
    events 41 50 | post one > /dev/null
    check "$s: again on their way" wait_until 20 asked_for 1
    stop_renewd
    check_equal "$s: a proper stop waits for the answer" sent=50 "$(states)"
    stop_renewd
}

asked_for() { [ "$(sim_count facebook requests)" = "$1" ]; }

depth() {
    local s="depth"
    events_stage sqlite 'events = { depth = 50; };'
    app one
    start_ready || exit 1
    ctl pause meta > /dev/null
    check_equal "$s: up to it" 202 "$(events 1 50 | post one)"
    check_equal "$s: beyond it" 429 "$(events 51 51 | post one)"
    check_match "$s: with a time to come back" '^Retry-After: [0-9]+' "$(cat "$DIR/headers")"
    check_equal "$s: what is known already is taken all the same" 202 "$(events 1 50 | post one)"
    check_equal "$s: nothing more was kept" waiting=50 "$(states)"
    ctl resume meta > /dev/null
    check "$s: when they are sent" come sent=50
    check_equal "$s: there is room" 202 "$(events 51 51 | post one)"
    check_equal "$s: a job that sends none" 404 "$(none)"
    stop_renewd
}

none() {
    sed -e '/^events = /d' -e 's/job = "meta"/job = "none"/' -e 's/plugin = "meta"/plugin = "instagram"/' -e 's/pixel_id = [^;]*;//' \
        -e 's/"AppSettings"/"InstagramOnly"/' -e 's/base_url/facebook_url/' "$DIR/conf.d/meta.conf" > "$DIR/conf.d/none.conf"
    sql 'create table "InstagramOnly" ("id" text primary key, "appId" text, "metaAccessToken" text, "metaTokenExpiresAt" integer)'
    ctl reload > "$DIR/reload.out" 2>&1
    event e-1 | curl -sS -o "$DIR/answer" -w '%{http_code}' --unix-socket "$SOCKET" -H 'Content-Type: application/json' \
        --data-binary @- http://localhost/v1/jobs/none/records/x/events
}

locked() { # another process has the database for itself
    local s="locked" before said
    events_stage sqlite
    app one
    start_ready || exit 1
    check_equal "$s: before" 202 "$(event l-1 | post one)"
    check "$s: sent" come sent=1
    coproc SOMEBODY { sqlite3 -batch -cmd '.timeout 10000' "$SQLITE_DB" 2>&1; }
    echo "begin immediate; select 'mine';" >&"${SOMEBODY[1]}"
    read -r -u "${SOMEBODY[0]}" said
    check_equal "$s: by another process" mine "$said"
    check_equal "$s: an event is left to its sender" 503 "$(event l-2 | post one)"
    check_match "$s: who is told when" '[0-9]' "$(grep -i '^retry-after:' "$DIR/headers")"
    echo "commit;" >&"${SOMEBODY[1]}"
    exec {SOMEBODY[1]}>&-
    check "$s: afterwards it is kept" wait_until 30 taken l-2
    check "$s: and sent" come sent=2
    stop_renewd
}
taken() { [ "$(event "$1" | post one)" = 202 ]; }

for store in ${STORES:-sqlite postgresql}; do
    simple "$store"
    body_of_meta "$store"
    shared "$store"
    bad_one "$store"
    held "$store"
    dead "$store"
    renewed "$store"
    weather "$store"
done
bodies
depth
locked
no_tokens_in_logs
finish
