# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What the tests of events share: apps of Meta with a pixel each, events for them, what the provider has of them.
# After lib.sh and graph.sh. renewd runs as a daemon here, with real times.

# events_stage STORE [MORE OF THE JOB [api OF renewd.conf]]: a new database and the job "meta" on its tables.
events_stage() {
    graph_stage "$1"
    if [ $# -ge 3 ]; then
        sed -i '/^api = /d' "$CONF"
        printf '%s\n' "$3" >> "$CONF"
    fi
    sql_file "$TOP/sql/$STORE/meta.sql"
    write_job meta <<EOF_JOB
plugin = "meta";  schedule = "0 0 1 1 *";  rescan = "1s";  reconnect_url = "https://example.test/reconnect";
records = { table = "AppSettings";  key = "id";  sealed = "none";
            columns = { account = "appId"; access_token = "metaAccessToken"; expires_at = "metaTokenExpiresAt";
                        pixel_id = "metaPixelId"; }; };
settings = { app_id = "env:FACEBOOK_APP_ID"; app_secret = "env:FACEBOOK_APP_SECRET"; base_url = "$SIM_URL/facebook"; };
http = { timeout = "${HTTP_TIMEOUT:-5s}"; };
${2:-}
EOF_JOB
}

# app NAME [PIXEL [MEMBERS]]: a new token at the provider, and the row that holds it.
app() {
    account facebook "$1" "${3:-\"age\":86400}"
    holder "$1" "${2:-px-$1}"
}

# holder NAME PIXEL: another app that holds TOKEN.
holder() {
    local at
    at=$(time_sql "$EXPIRES" "$([ "$STORE" = postgresql ] && echo without)")
    sql "insert into \"App\" (\"id\", \"name\", \"userId\") values ('$1', 'app $1', 'user-1')"
    sql "insert into \"AppSettings\" (\"id\", \"appId\", \"metaPixelId\", \"metaAccessToken\", \"metaTokenExpiresAt\")
         values ('$1', '$1', '$2', $(text "$TOKEN"), $at)"
}

# connect NAME: its application stores a new token.
connect() {
    local at
    account facebook "$1-again" '"age":86400'
    at=$(time_sql "$EXPIRES" "$([ "$STORE" = postgresql ] && echo without)")
    sql "update \"AppSettings\" set \"metaAccessToken\" = $(text "$TOKEN"), \"metaTokenExpiresAt\" = $at where \"id\" = '$1'"
}

# event ID [NAME]: as an application has it.
event() {
    printf '{"event_name":"%s","event_time":%s,"event_id":"%s","action_source":"phone_call",' "${2:-Purchase}" "$(date +%s)" "$1"
    printf '"user_data":{"em":["86e0b9e56c17cc4d12387e1949b85053fbe73bc3ce5a1188713a9d300cc6133d"]}}'
}

# events FIRST LAST: {"data":[...]} of events e-FIRST to e-LAST.
events() {
    seq "$1" "$2" | awk -v now="$(date +%s)" -v hash=86e0b9e56c17cc4d12387e1949b85053fbe73bc3ce5a1188713a9d300cc6133d '
        BEGIN { printf "{\"data\":[" }
        { printf "%s{\"event_name\":\"Purchase\",\"event_time\":%d,\"event_id\":\"e-%d\",", (NR > 1 ? "," : ""), now, $1
          printf "\"action_source\":\"phone_call\",\"user_data\":{\"em\":[\"%s\"]}}", hash }
        END { printf "]}" }'
}

# post NAME [CURL OPTION...]: hands in the body on standard input; prints the status. The answer is in $DIR/answer.
post() {
    local name=$1
    shift
    curl -sS -o "$DIR/answer" -D "$DIR/headers" -w '%{http_code}' --max-time 60 --unix-socket "$SOCKET" -X POST \
        -H "Content-Type: ${TYPE:-application/json}" --data-binary @- "$@" "http://localhost/v1/jobs/meta/records/$name/events"
}

member_of() { json "\$.$1" < "$DIR/answer"; }

# states: how many events are in each state that has any: "sent=3 held=1".
states() {
    sql "select case state when 1 then 'waiting' when 2 then 'held' when 3 then 'sent' when 4 then 'aside' else 'expired' end,
         count(*) from $(own events) group by state order by state" | tr '|\n' '= ' | sed 's/ $//'
}

are() { [ "$(states)" = "$1" ]; }

# come STATES: waited for.
come() { wait_until 40 are "$1"; }

# received [PIXEL] : event ids that the provider took, each once, in order.
received() { sim_get "events?format=tsv${1:+&pixel=$1}" | cut -f 3 | sort; }

# repeats: how often the provider took an event that it had.
repeats() { sim_get 'events?format=tsv' | awk -F '\t' '{ n += $4 - 1 } END { print n + 0 }'; }

# counted: sendings beyond the first of each event, as renewd has them.
counted() { sql "select coalesce(sum(sends - 1), 0) from $(own events) where sends > 1"; }
