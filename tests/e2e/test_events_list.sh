#!/bin/bash
# SPDX-License-Identifier: MIT
# What people see of the events that a job keeps, on both stores: pages, states, counts, what was refused; and some of
# them sent once more. The job is paused, so that nothing moves by itself.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/graph.sh"

export TEST_SECRET=hush-secret READER_SECRET=reader-secret-0123456789 WRITER_SECRET=writer-secret-0123456789
start_simulator
PORT=$(free_port)

# put STATE ID [DUE [CODE [WHY]]]: an event as the engine would have left it.
put() {
    sql "insert into $(own events) (job, rkey, event_id, name, text, state, sends, event_time, created_at, due_at,
         finished_at, code, why) values ('meta', 'one', '$2', 'Purchase', '{\"secret\":\"of-a-customer\"}', $1, $1,
         1795000000, 1795000001, ${3:-9999999999}, $([ "$1" -lt 3 ] && echo 0 || echo 1795000007),
         $([ -n "${4:-}" ] && echo "'$4'" || echo null), $([ -n "${5:-}" ] && echo "'$5'" || echo null))"
}

id_of() { sql "select id from $(own events) where event_id = '$1'"; }
state_of() { sql "select state from $(own events) where event_id = '$1'"; }

ask() { # METHOD PATH [CURL OPTION...]: the status; the answer is in $DIR/answer
    local method=$1 path=$2
    shift 2
    curl -sS -o "$DIR/answer" -w '%{http_code}' --max-time 60 --unix-socket "$SOCKET" -X "$method" "$@" \
        "http://localhost/v1/jobs/$path"
}

retry() { ask POST meta/events/retry -H 'Content-Type: application/json' -d "$1"; }

tcp() { # METHOD SECRET PATH
    curl -sS -o "$DIR/answer" -w '%{http_code}' -X "$1" -H "Authorization: Bearer $2" "http://127.0.0.1:$PORT/v1/jobs/$3"
}

stage_paused() { # STORE
    graph_stage "$1"
    sql_file "$TOP/sql/$1/meta.sql"
    write_job meta <<END
plugin = "meta";  schedule = "0 0 1 1 *";
records = { table = "AppSettings";  key = "id";  sealed = "none";
            columns = { account = "appId"; access_token = "metaAccessToken"; expires_at = "metaTokenExpiresAt";
                        pixel_id = "metaPixelId"; }; };
settings = { app_id = "env:FACEBOOK_APP_ID"; app_secret = "env:FACEBOOK_APP_SECRET"; base_url = "$SIM_URL/facebook"; };
END
    sed -i '/^api = /d' "$CONF"
    cat >> "$CONF" <<END
api = { socket = "$SOCKET"; listen = "127.0.0.1:$PORT";
        clients = ( { name = "reader"; secret = "env:READER_SECRET"; jobs = [ "meta" ]; allow = [ "read" ]; },
                    { name = "writer"; secret = "env:WRITER_SECRET"; jobs = [ "meta" ]; allow = [ "operate" ]; } ); };
END
    write_job other <<END
plugin = "youtube";  schedule = "0 0 1 1 *";
settings = { base_url = "$SIM_URL/google"; client_id = "client-1"; client_secret = "env:TEST_SECRET"; };
END
    sql "insert into \"App\" (\"id\", \"name\", \"userId\") values ('one', 'app one', 'user-1')"
    sql "insert into \"AppSettings\" (\"id\", \"appId\", \"metaPixelId\", \"metaAccessToken\") values ('one', 'one', 'px', 'token-1')"
    start_ready || exit 1
    ctl pause meta > /dev/null
}

lists() { # STORE
    local s="$1, lists" i
    check_equal "$s: there are none" 'no events' "$(ctl events meta)"
    check_equal "$s: as JSON" '{"events":[],"next":null}' "$(ctl --json events meta)"
    check_match "$s: nor in the list of jobs" '"events": *\{"waiting": *0,.*"repeats": *0\}' "$(ctl --json jobs)"
    put 1 e-waiting
    put 2 e-held 9999999999 100/33 'the pixel is not known'
    put 3 e-sent
    put 4 e-aside 1 2804050 'user_data is missing'
    put 5 e-expired
    for i in 1 2 3; do # more than fit one page
        sql "insert into $(own events) (job, rkey, event_id, text, state, created_at, due_at)
             select 'meta', 'one', 'more-$i-' || x.n, '{}', 1, 1, 9999999999 from ($(numbers 120)) x"
    done
    check_equal "$s: a table of all" 366 "$(ctl events meta | wc -l)"
    check_equal "$s: as one document" 365 "$(ctl --json events meta | grep -o '"event_id"' | wc -l)"
    check_equal "$s: each once" 365 "$(ctl --json events meta | grep -o '"event_id": *"[^"]*"' | sort -u | wc -l)"
    check_match "$s: one that was set aside says why" \
        'one +e-aside +Purchase +aside +4 +2026-11-18 .* - +2804050: user_data is missing' "$(ctl events meta --state aside)"
    check_equal "$s: and stands alone" 2 "$(ctl events meta --state aside | wc -l)"
    check_fails "$s: a state that is none" ctl events meta --state gone
    check_equal "$s: two of them" 200 "$(ask GET 'meta/events?limit=2')"
    check_equal "$s: the second is the place to go on" "$(id_of e-held)" "$(json '$.next' < "$DIR/answer")"
    check_match "$s: to the letter" "^\{\"events\":\[\{\"id\":\"$(id_of e-waiting)\",\"record\":\"one\",\"event_id\":\"e-waiting\",\"name\":\"Purchase\",\"state\":\"waiting\",\"sends\":1,\"event_time\":\"2026-11-18T[0-9:]*Z\",\"created_at\":\"2026-11-18T[0-9:]*Z\",\"next_at\":\"2286-11-20T17:46:39Z\",\"finished_at\":null,\"last_error\":null\}," "$(cat "$DIR/answer")"
    check_match "$s: with what was refused" '"last_error":\{"code":"100/33","text":"the pixel is not known"\}' "$(cat "$DIR/answer")"
    check_equal "$s: from there on" 200 "$(ask GET "meta/events?limit=1&after=$(id_of e-held)")"
    check_match "$s: one that is sent" '"event_id":"e-sent",.*"next_at":null,"finished_at":"2026-11-18T' "$(cat "$DIR/answer")"
    check_equal "$s: the end" 200 "$(ask GET 'meta/events?state=expired')"
    check_equal "$s: has none behind it" '' "$(json '$.next' < "$DIR/answer")"
    check_no_match "$s: what an event says is not shown" of-a-customer "$(cat "$DIR/answer"; ctl events meta; ctl --json events meta)"
}

numbers() { # a query of 1 .. N
    echo "with recursive k(n) as (select 1 union all select n + 1 from k where n < $1) select n from k"
}

counts() { # STORE
    local s="$1, counts"
    check_match "$s: in the list of jobs" \
        '"events": *\{"waiting": *361, *"held": *1, *"aside": *1, *"expired": *1, *"repeats": *10\}' "$(ctl --json jobs)"
    check_match "$s: for people" \
        'job meta: events: 361 wait, 1 are held, 1 were parked \(aside\), 1 were dropped as too old \(expired\), 10 were repeated sendings' "$(ctl jobs)"
    check_match "$s: a job that takes none has none" '"events": *null' "$(ctl --json jobs)"
}

wrong() { # STORE
    local s="$1, wrong" what
    check_equal "$s: an unknown job" 404 "$(ask GET nothing/events)"
    check_equal "$s: a job that takes none" 404 "$(ask GET other/events)"
    check_match "$s: and says so" 'job other takes no events' "$(cat "$DIR/answer")"
    check_equal "$s: nor retries any" 404 "$(ask POST other/events/retry)"
    for what in state=none state= after=x after=-1 after=99999999999999999999 limit=0 other=1 state=held\&state=sent; do
        check_equal "$s: $what" 400 "$(ask GET "meta/events?$what")"
    done
    while read -r what; do
        check_equal "$s: $what" 400 "$(retry "$what")"
    done <<'END'
{"ids":"7"}
{"ids":null}
{"ids":[7]}
{"ids":["7",null]}
{"ids":["seven"]}
{"ids":["-7"]}
{"id":["7"]}
["7"]
{"ids":["7"]
END
    retry '{"ids":["7",8]}' > /dev/null
    check_match "$s: the member is named" 'ids\.1 must be' "$(cat "$DIR/answer")"
    retry "{\"ids\":[$(seq -s, -f '"%g"' 1 1001)]}" > "$DIR/status"
    check_equal "$s: too many ids" 400 "$(cat "$DIR/status")"
    check_equal "$s: another method" 405 "$(ask DELETE meta/events)"
    check_equal "$s: another method" 405 "$(ask GET meta/events/retry)"
    check_equal "$s: whoever reads may list" 200 "$(tcp GET "$READER_SECRET" meta/events)"
    check_equal "$s: but not retry" 403 "$(tcp POST "$READER_SECRET" meta/events/retry)"
    check_equal "$s: whoever operates may not list" 403 "$(tcp GET "$WRITER_SECRET" meta/events)"
    check_equal "$s: nothing has changed" '2 4 5' "$(state_of e-held) $(state_of e-aside) $(state_of e-expired)"
}

once_more() { # STORE
    local s="$1, once more"
    check_equal "$s: one that is not there" 404 "$(retry "{\"ids\":[\"$(id_of e-aside)\",\"99999\"]}")"
    check_match "$s: is named" 'job meta has no event 99999; nothing was done' "$(cat "$DIR/answer")"
    check_equal "$s: and the other one is left" 4 "$(state_of e-aside)"
    check_equal "$s: none of them" 200 "$(retry '{"ids":[]}')"
    check_equal "$s: is none" 0 "$(json '$.retried' < "$DIR/answer")"
    check_equal "$s: two of them" '2 events wait again' "$(ctl retry meta "$(id_of e-aside)" "$(id_of e-expired)")"
    check_equal "$s: one that is sent is not sent again" '0 events wait again' "$(ctl retry meta "$(id_of e-sent)")"
    check_equal "$s: all held ones" 1 "$(ctl --json retry meta | json '$.retried')"
    check_equal "$s: they wait" '1 1 1 3' \
        "$(state_of e-held) $(state_of e-aside) $(state_of e-expired) $(state_of e-sent)"
    check_equal "$s: over TCP" 200 "$(tcp POST "$WRITER_SECRET" meta/events/retry)"
    check_fails "$s: an id that is none" ctl retry meta seven
    stop_renewd
}

for store in sqlite postgresql; do
    stage_paused $store
    lists $store
    counts $store
    wrong $store
    once_more $store
done
no_tokens_in_logs
check_no_match "nor does a log show it" of-a-customer "$(cat "$DIR/renewd.all")"
finish
