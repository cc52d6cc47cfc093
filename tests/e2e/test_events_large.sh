#!/bin/bash
# SPDX-License-Identifier: MIT
# Large bodies of events are read by and by: the door goes on meanwhile, and what has not been read yet when its job
# is loaded anew, or renewd stops, is refused as a whole. What was acknowledged is kept, nothing else.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/graph.sh"
. "$(dirname "$0")/events.sh"

POSTS=36
start_simulator

# large FIRST LAST: a list of events of 800 bytes each.
large() {
    seq "$1" "$2" | awk -v now="$(date +%s)" -v hash=86e0b9e56c17cc4d12387e1949b85053fbe73bc3ce5a1188713a9d300cc6133d '
        BEGIN {
            for (i = 0; i < 12; i++)
                contents = contents sprintf("%s{\"id\":\"sku-%d\",\"quantity\":%d,\"item_price\":1.5}", (i ? "," : ""), i, i + 1)
            printf "["
        }
        {
            printf "%s{\"event_name\":\"Purchase\",\"event_time\":%d,\"event_id\":\"e-%d\",", (NR > 1 ? "," : ""), now, $1
            printf "\"action_source\":\"website\",\"user_data\":{\"em\":[\"%s\"],\"ct\":\"Sao Paulo\"},", hash
            printf "\"custom_data\":{\"currency\":\"EUR\",\"value\":12.34,\"contents\":[%s]}}", contents
        }
        END { printf "]" }'
}

# post_all: all of them at once, the thousand of each its own; the statuses and answers in $DIR/status.N, answer.N. curl's
# limit is one that no machine reaches: a post that its client gave up may be kept all the same.
post_all() {
    local i
    for i in $(seq $POSTS); do
        rm -f "$DIR/status.$i"
        {
            curl -sS -o "$DIR/answer.$i" -w '%{http_code}' --max-time 1200 --unix-socket "$SOCKET" \
                -H 'Content-Type: application/json' --data-binary "@$DIR/body.$i" \
                http://localhost/v1/jobs/meta/records/one/events > "$DIR/status.$i.part" 2>> "$DIR/curl.log"
            mv "$DIR/status.$i.part" "$DIR/status.$i"
        } &
    done
}

answered() { cat "$DIR"/status.[0-9] "$DIR"/status.[0-9][0-9] 2> /dev/null | fold -w 3 | grep -c "^${1:-...}\$"; }
one_is_taken() { [ "$(answered 202)" -ge 1 ]; }
all_answered() { [ "$(answered)" = $POSTS ]; }
refused_as() { cat "$DIR"/answer.* | grep -c "\"$1\""; }
kept() { sql "select count(*) from $(own events)"; }

rounds() { # STORE
    local s="$1" i before
    events_stage "$1"
    app one
    : > "$DIR/curl.log"
    start_ready || exit 1
    check "$s: pause" ctl pause meta
    for i in $(seq $POSTS); do large $((i * 1000 + 1)) $((i * 1000 + 1000)) > "$DIR/body.$i"; done
    sed -i 's/rescan = "1s"/rescan = "2s"/' "$DIR/conf.d/meta.conf"
    event small > "$DIR/small"
    post_all
    check_equal "$s: another caller is answered meanwhile" 202 "$(post one < "$DIR/small")"
    check "$s: the first is taken" wait_until 300 one_is_taken
    check "$s: the job is loaded anew" ctl reload
    check "$s: all are answered" wait_until 600 all_answered
    check "$s: those that were not read yet are refused" [ "$(refused_as reloaded)" -ge 1 ]
    check_equal "$s: taken or refused" $POSTS "$(($(answered 202) + $(answered 503)))"
    check_equal "$s: no client gave up" '' "$(cat "$DIR/curl.log")"
    check_equal "$s: and no event of theirs is kept" "$(($(answered 202) * 1000 + 1))" "$(kept)"
    before=$(answered 202)
    post_all
    check "$s: handed in once more they are taken" wait_until 600 all_answered
    check_equal "$s: all of them" "$POSTS $((POSTS * 1000 + 1))" "$(answered 202) $(kept)"
    check_equal "$s: which were not before" yes "$([ "$before" -lt $POSTS ] && echo yes)"
    for i in $(seq $POSTS); do large $((i * 1000 + 50001)) $((i * 1000 + 51000)) > "$DIR/body.$i"; done
    post_all
    check "$s: the first of others is taken" wait_until 300 one_is_taken
    stop_renewd
    check "$s: renewd stops; all have ended" wait_until 600 all_answered
    check "$s: not all of them were kept" [ "$(answered 202)" -lt $POSTS ]
    check_equal "$s: those that were acknowledged" "$(($(answered 202) * 1000 + POSTS * 1000 + 1))" "$(kept)"
}

rounds sqlite
rounds postgresql
no_tokens_in_logs
finish
