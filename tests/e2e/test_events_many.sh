#!/bin/bash
# SPDX-License-Identifier: MIT
# Ten thousand events while the token dies, the provider fails in every way that it knows, and renewd is killed twice:
# the provider has those that were acknowledged but for the ones set aside, and whatever it got twice is counted.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/graph.sh"
. "$(dirname "$0")/events.sh"

TOTAL=10000 CHUNK=200
export APP_SECRET=app-secret-0123456789
PORT=$(free_port)
start_simulator

# What an application does: each chunk again and again until it is acknowledged.
application() { # FIRST LAST RECORD
    local tries=0
    events "$1" "$2" | sed 's/"event_name":"Purchase",\("event_time":[0-9]*,"event_id":"e-[0-9]*007"\)/"event_name":"BAD",\1/g' > "$DIR/chunk"
    until [ "$(hand_in "$3")" = 202 ]; do
        tries=$((tries + 1))
        [ $tries -lt 600 ] || return 1
        sleep 0.1
    done
    grep -o '"event_id":"[^"]*"' "$DIR/chunk.answer" | cut -d '"' -f 4 >> "$DIR/acknowledged"
}

hand_in() { # RECORD, over TCP as a client
    curl -s -o "$DIR/chunk.answer" -w '%{http_code}' --max-time 30 -H "Authorization: Bearer $APP_SECRET" \
        -H 'Content-Type: application/json' --data-binary "@$DIR/chunk" "http://127.0.0.1:$PORT/v1/jobs/meta/records/$1/events"
}

applications() {
    local from=1 records=(one two other) n=0
    while [ $from -le $TOTAL ]; do
        application $from $((from + CHUNK - 1)) "${records[n % 3]}" || return 1
        from=$((from + CHUNK)) n=$((n + 1))
    done
}

has() { [ "$(sim_get events | json '$.distinct')" -ge "$1" ]; }

settled() { [ "$(sql "select count(*) from $(own events) where state < 3")" = 0 ]; }

crash() {
    sim misbehave '{"mode":"delay","provider":"facebook","path":"/events","ms":500,"when":"after","count":2}' > /dev/null
    sim mark '{}' > /dev/null
    wait_until 30 on_its_way
    stop_renewd KILL
    start_ready || exit 1
}

on_its_way() { [ "$(sim_count facebook requests)" != 0 ]; }

many() { # STORE
    local s="$1" poster
    HTTP_TIMEOUT=10s events_stage "$1" '' "api = { socket = \"$SOCKET\"; listen = \"127.0.0.1:$PORT\";
        clients = ( { name = \"app\"; secret = \"env:APP_SECRET\"; jobs = [ \"meta\" ]; allow = [ \"events\" ]; } ); };"
    app one px-shared
    holder two px-shared
    app other px-other
    start_ready || exit 1
    : > "$DIR/acknowledged"
    applications &
    poster=$!
    wait_until 60 has 500
    sim misbehave '{"mode":"status","provider":"facebook","path":"*","status":500,"count":2}' > /dev/null
    wait_until 60 has 1000
    sim misbehave '{"mode":"retry_after","provider":"facebook","path":"*","retry_after":"1","count":2}' > /dev/null
    wait_until 60 has 1500
    crash
    wait_until 60 has 3000
    sim unfit "{\"token\":\"$(sim_account facebook one access_token)\"}" > /dev/null
    wait_until 60 has 4000
    sim misbehave '{"mode":"drop_after","provider":"facebook","path":"/events","count":2}' > /dev/null
    wait_until 60 has 5000
    crash
    sim misbehave '{"mode":"cut","provider":"facebook","path":"/events","bytes":5,"count":1}' > /dev/null
    wait $poster
    check_equal "$s: every event is acknowledged in the end" 0 $?
    check "$s: nothing waits any more" wait_until 120 settled
    one_lost
    verdict
    stop_renewd
}

# What was lost so far may have been refusals, which bring nothing twice: once more, of events that are taken.
one_lost() {
    sim misbehave '{"clear":true}' > /dev/null
    sim misbehave '{"mode":"drop_after","provider":"facebook","path":"/events","count":1}' > /dev/null
    application $((TOTAL + 101)) $((TOTAL + 200)) other
    check "$s: also those whose answer was lost are settled" wait_until 120 settled
}

verdict() {
    sort "$DIR/acknowledged" > "$DIR/acknowledged.sorted"
    sql "select event_id from $(own events) where state = 4" | sort > "$DIR/aside"
    comm -23 "$DIR/acknowledged.sorted" "$DIR/aside" > "$DIR/expected"
    received > "$DIR/received"
    check_equal "$s: acknowledged, each once" "$((TOTAL + 100)) $((TOTAL + 100))" "$(wc -l < "$DIR/acknowledged.sorted") $(sort -u "$DIR/acknowledged" | wc -l)"
    check_equal "$s: nine are set aside, the bad ones" "9 9" "$(wc -l < "$DIR/aside") $(grep -c '007$' "$DIR/aside")"
    check "$s: the provider has the others, and no more" diff "$DIR/expected" "$DIR/received"
    check_match "$s: by an exchange of the token, no more than one for each record and kill" '^[1-4]$' \
        "$(sim_account facebook one refresh_ok)"
    sql_tsv "select event_id, sends from $(own events)" | sort > "$DIR/sends"
    sim_get 'events?format=tsv' | awk -F '\t' '{ print $3 "\t" $4 "\t" $5 }' | sort > "$DIR/came"
    check_equal "$s: no event came more often than renewd counted" '' \
        "$(join -t $'\t' "$DIR/came" "$DIR/sends" | awk -F '\t' '$2 > $4' | head -n 5)"
    check_equal "$s: none more often than answers were lost and renewd was killed" '' \
        "$(awk -F '\t' '$2 - 1 > $3 + 2' "$DIR/came" | head -n 5)"
    check "$s: some came twice, or this test would show nothing" test "$(repeats)" -gt 0
    echo "# $s: $(repeats) repeats, $(counted) counted; of $(awk -F '\t' '$3 > 0' "$DIR/came" | wc -l) events an answer was lost"
}

for store in ${STORES:-sqlite postgresql}; do
    many "$store"
done
no_tokens_in_logs
check_no_match "no secret of a client in any log" "$APP_SECRET" "$(cat "$DIR/renewd.all")"
finish
