#!/bin/bash
# SPDX-License-Identifier: MIT
# The door over TCP: named clients with their secrets, what each may do and for which jobs; a port that is taken.
. "$(dirname "$0")/lib.sh"

export TEST_SECRET=hush-secret APP_SECRET=app-secret-0123456789 READER_SECRET=reader-secret-0123456789
start_simulator
make_store sqlite
port=$(free_port)
door() {
    write_conf
    sed -i '/^api = /d' "$CONF"
    cat >> "$CONF" <<EOF
api = { socket = "$SOCKET"; listen = "127.0.0.1:$1";
        clients = ( { name = "app"; secret = "env:APP_SECRET"; jobs = [ "*" ]; allow = [ "read", "operate" ]; },
                    { name = "reader"; secret = "env:READER_SECRET"; jobs = [ "youtube" ]; allow = [ "read" ]; } ); };
EOF
}
door "$port"
make_accounts_table tokens
load_accounts google tokens 1 a-
write_job youtube <<EOF
plugin = "youtube";
schedule = "0 0 1 1 *";
$(accounts_records tokens)
settings = { base_url = "$SIM_URL/google"; client_id = "client-1"; client_secret = "env:TEST_SECRET"; };
EOF
start_renewd
ask() { # METHOD PATH [SECRET]
    curl -s -o "$DIR/answer" -w '%{http_code}' -X "$1" ${3:+-H "Authorization: Bearer $3"} "http://127.0.0.1:$port$2"
}
check_equal "health needs no secret" 200 "$(ask GET /healthz)"
check_equal "no secret: 401" 401 "$(ask GET /v1/jobs)"
check_match "and the answer says which header" 'Authorization: Bearer' "$(cat "$DIR/answer")"
check_equal "a wrong secret: 401" 401 "$(ask GET /v1/jobs wrong)"
check_equal "a part of the secret is wrong too" 401 "$(ask GET /v1/jobs app-secret)"
check_equal "the reader reads its job's records" 200 "$(ask GET /v1/jobs/youtube/records "$READER_SECRET")"
check_equal "the reader may not operate: 403" 403 "$(ask POST /v1/jobs/youtube/run "$READER_SECRET")"
check_equal "the reader may not see all jobs: 403" 403 "$(ask GET /v1/jobs "$READER_SECRET")"
check_equal "the app sees all jobs" 200 "$(ask GET /v1/jobs "$APP_SECRET")"
check_equal "the app runs a job" 200 "$(ask POST /v1/jobs/youtube/run "$APP_SECRET")"
check_equal "an unknown job: 404" 404 "$(ask GET /v1/jobs/nothing/records "$APP_SECRET")"
check_no_match "no secret in the log" 'app-secret|reader-secret' "$(cat "$DIR"/renewd.log "$DIR"/renewd.all 2> /dev/null)"

mkdir -p "$DIR/other"
first=$CONF
CONF=$DIR/other.conf
sed "s|state_dir = .*|state_dir = \"other\";|; s|$SOCKET|$DIR/other.sock|" "$first" > "$CONF"
check_fails "a second daemon on the same port ends" run_renewd
check_match "and names the port" "127.0.0.1:$port" "$(cat "$DIR/renewd.log")"
CONF=$first
check_equal "the first one is unharmed" 200 "$(ask GET /healthz)"

# Connections of the one before are still there when the next one starts: its own end of them was closed first.
exec {kept}<> "/dev/tcp/127.0.0.1/$port"
printf 'GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n' >&$kept
read -r answer <&$kept
check_match "a kept connection is answered" '^HTTP/1.1 200' "$answer"
stop_renewd
if start_renewd; then ok "a restart takes the same port at once"; else not_ok "a restart takes the same port at once"; fi
check_equal "and answers there" 200 "$(ask GET /healthz)"
exec {kept}<&- {kept}>&-
stop_renewd
finish
