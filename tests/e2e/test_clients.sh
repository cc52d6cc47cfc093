#!/bin/bash
# SPDX-License-Identifier: MIT
# The examples of contrib/: a shell script, a Node and a Python program ask for tokens over both doors, wait where
# renewd says so, give up where it says that only a person can help, have a token replaced that the provider refuses,
# call through renewd and hand events in; nginx lets functions and webhooks through and nothing else.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"
. "$(dirname "$0")/forward.sh"

PATH=$PATH:/usr/sbin
for package in nginx nodejs python3; do
    command -v "${package/nodejs/node}" > /dev/null || left_out $package "$package is not installed"
done
export APP_SECRET=hush-app-0123456789 FACEBOOK_APP_ID=app FACEBOOK_APP_SECRET=hush-facebook
PORT=$(free_port) TLS_PORT=$(free_port)
NGINX_PID=''
trap 'ended_with=$?; stop_process "$NGINX_PID"; (exit $ended_with); cleanup' EXIT

prepare() {
    forward_stage sqlite
    sed -i '/^api = /d' "$CONF"
    cat >> "$CONF" <<CONF
api = { socket = "$SOCKET"; listen = "127.0.0.1:$PORT";
        clients = ( { name = "app"; secret = "env:APP_SECRET"; jobs = [ "*" ];
                      allow = [ "token", "forward", "events", "functions" ]; } ); };
CONF
    load_accounts strict tokens 14 dead
    forward_job tokens tokens '' 'reconnect_url = "https://app.example/connect"; functions = [ "refresh-token" ];'
    sql_file "$TOP/sql/sqlite/meta.sql"
    write_job meta <<END
plugin = "meta";  schedule = "0 0 1 1 *";
records = { table = "AppSettings";  key = "id";  sealed = "none";
            columns = { account = "appId"; access_token = "metaAccessToken"; expires_at = "metaTokenExpiresAt";
                        pixel_id = "metaPixelId"; }; };
settings = { app_id = "env:FACEBOOK_APP_ID"; app_secret = "env:FACEBOOK_APP_SECRET"; base_url = "$SIM_URL/facebook"; };
END
    sql "insert into \"App\" (\"id\", \"name\", \"userId\") values ('one', 'app one', 'user-1')"
    sql "insert into \"AppSettings\" (\"id\", \"appId\", \"metaPixelId\", \"metaAccessToken\") values ('one', 'one', 'px', 'token-1')"
    sql "insert into \"App\" (\"id\", \"name\", \"userId\") values ('two', 'app two', 'user-2')"
    sql "insert into \"AppSettings\" (\"id\", \"appId\") values ('bare', 'two')"
    (umask 077 && echo "$APP_SECRET" > "$DIR/secret" && echo "Authorization: Bearer $APP_SECRET" > "$DIR/header")
}

# client NAME DOOR ARGUMENT...: prints what it prints; its complaints in $DIR/said.out
client() {
    local program=$TOP/contrib/clients/renewd.$1 door=(RENEWD_SOCKET="$SOCKET")
    [ "$2" = socket ] || door=(RENEWD_URL="http://127.0.0.1:$PORT" RENEWD_SECRET_FILE="$DIR/secret")
    case $1 in sh) set -- sh "${@:3}" ;; py) set -- python3 "${@:3}" ;; js) set -- node "${@:3}" ;; esac
    env "${door[@]}" timeout 120 "$1" "$program" "${@:2}" 2> "$DIR/said.out"
}

row() { sql "select access_token from tokens where id = $1"; }

examples() { # CLIENT DOOR NUMBER
    local s="renewd.$1, $2" id
    id=$(id_of acct-1)
    check_equal "$s: a token" "$(row "$id")" "$(client "$1" "$2" token tokens "$id")"
    id=$(id_of "dead-$3")
    sim mark '{}' > /dev/null
    # What the provider asks for is waited for, once.
    sim misbehave '{"mode":"status","provider":"strict","status":429,"headers":{"Retry-After":"1"},"count":1}' > /dev/null
    check_equal "$s: one that has ended, when the provider has asked to wait" live \
        "$(sim_token "$(client "$1" "$2" token tokens "$id" 60)" state)"
    check_equal "$s: is refreshed then" '1 2' "$(sim_count strict ok) $(sim_count strict requests)"
    check_match "$s: a call through renewd" '^\{.*"path": *"/v1/me"' "$(client "$1" "$2" forward tokens "$id" me)"
    sim mark '{}' > /dev/null
    sim misbehave '{"mode":"status","path":"*","status":503,"headers":{"Retry-After":"Wed, 21 Oct 2015 07:28:00 GMT"},"count":1}' \
        > /dev/null
    sim misbehave '{"mode":"status","path":"*","status":503,"count":1}' > /dev/null
    check_match "$s: the provider's own 503, with a date or nothing" '^\{.*"path": *"/v1/me"' "$(client "$1" "$2" forward tokens "$id" me)"
    sim mark '{}' > /dev/null
    kill_token "acct-$3"
    id=$(id_of "acct-$3")
    check_match "$s: a call with a token that the provider refuses" '^\{.*"path": *"/v1/mine"' \
        "$(client "$1" "$2" get tokens "$id" "$SIM_URL/echo/v1/mine")"
    check_equal "$s: is made again after one refresh" '1 2' "$(sim_count strict presented) $(arrived)"
    sim revoke "{\"provider\":\"strict\",\"account\":\"dead-$(($3 + 6))\"}" > /dev/null
    id=$(id_of "dead-$(($3 + 6))")
    client "$1" "$2" token tokens "$id" > "$DIR/none"
    check_equal "$s: a grant that is dead: status 3, and nothing" 3 "$?$(cat "$DIR/none")"
    check_match "$s: and where to connect it again" 'https://app\.example/connect' "$(cat "$DIR/said.out")"
    client "$1" "$2" token meta bare > "$DIR/none"
    check_equal "$s: without a credential: status 3, and nothing" 3 "$?$(cat "$DIR/none")"
    check_match "$s: and why" 'holds no credential' "$(cat "$DIR/said.out")"
    check_no_match "$s: no address where the job has none" 'None|null|undefined|again at' "$(cat "$DIR/said.out")"
    client "$1" "$2" token tokens 4711
    check_equal "$s: no such record: status 1" 1 $?
    check_match "$s: and why" 'has no record 4711' "$(cat "$DIR/said.out")"
    printf '{"data":[{"event_name":"Purchase","event_time":%s,"event_id":"é-%s","action_source":"website",
        "event_source_url":"https://shop.example/","user_data":{"client_user_agent":"x","client_ip_address":"192.0.2.1"},
        "custom_data":{"currency":"EUR","value":1}}]}' "$(date +%s)" "$3" > "$DIR/event"
    check_match "$s: an event is taken" "\"event_id\": ?\"(é|.u00e9)-$3\"" "$(client "$1" "$2" events meta one "$DIR/event")"
    check_equal "$s: and kept" 1 "$(sql "select count(*) from $(own events) where event_id = 'é-$3'")"
}

later() { # last: the job's records wait for an hour then
    local s="renewd.$1, later" id
    id=$(id_of dead-14)
    client "$1" tcp token tokens "$id"
    check_equal "$s: status 75" 75 $?
    check_match "$s: and why" '^later: ' "$(cat "$DIR/said.out")"
}

start_nginx() {
    main_shell start_nginx || return 1
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=renewd.example.com \
        -addext 'subjectAltName = IP:127.0.0.1' -keyout "$DIR/proxy.key" -out "$DIR/proxy.crt" 2> /dev/null
    mkdir "$DIR/nginx"
    {
        [ "$(id -u)" != 0 ] || echo 'user root;'
        echo "daemon off; pid $DIR/nginx/pid; error_log $DIR/nginx/error; events { } http { access_log $DIR/nginx.out;"
        for path in client_body proxy fastcgi uwsgi scgi; do echo "${path}_temp_path $DIR/nginx/$path;"; done
        sed -e "s/127.0.0.1:8642/127.0.0.1:$PORT/" -e "s/listen 443/listen 127.0.0.1:$TLS_PORT/" \
            -e "s,/etc/ssl/renewd.example.com.pem,$DIR/proxy.crt," -e "s,/etc/ssl/private/.*key;,$DIR/proxy.key;," \
            "$TOP/contrib/reverse-proxy/nginx.conf"
        echo '}'
    } > "$DIR/nginx.conf"
    nginx -p "$DIR/nginx" -e "$DIR/nginx/error" -c "$DIR/nginx.conf" > "$DIR/nginx/said" 2>&1 &
    NGINX_PID=$!
    wait_until 20 proxied /
}

proxied() { # PATH [CURL OPTION...]: the status; the answer is in $DIR/answer
    curl -sS --path-as-is --cacert "$DIR/proxy.crt" -o "$DIR/answer" -w '%{http_code}' --max-time 30 "${@:2}" "https://127.0.0.1:$TLS_PORT$1"
}

reverse_proxy() {
    local s=nginx id path
    start_nginx || not_ok "$s: starts with the example" "$(cat "$DIR/nginx/said" "$DIR/nginx/error")"
    id=$(id_of dead-13)
    check_equal "$s: a function" 200 "$(proxied /functions/v1/refresh-token -H "@$DIR/header" -H 'Content-Type: application/json' \
        -d "{\"platform\":\"oauth2\",\"creator_unique_identifier\":\"$id\"}")"
    check_equal "$s: refreshes" live "$(sim_token "$(json '$.access_token' < "$DIR/answer")" state)"
    check_equal "$s: without a key" '401 UNAUTHORIZED_NO_AUTH_HEADER' \
        "$(proxied /functions/v1/refresh-token -d '{}') $(json '$.code' < "$DIR/answer")"
    proxied /webhooks/shopify/meta/one -d '{}' > /dev/null
    check_no_match "$s: a webhook reaches renewd" 'nginx' "$(cat "$DIR/answer")"
    for path in /v1/jobs "/v1/jobs/tokens/records/$id/token" /functions/v1/../../v1/jobs /functions/v1/%2e%2e/%2e%2e/v1/jobs \
        /functions/v1/..%2f..%2fv1/jobs /functions/../v1/jobs //v1/jobs /healthz /metrics / /functionsv1/x; do
        check_match "$s: $path does not" '^40[04] .*nginx' "$(proxied "$path" -H "@$DIR/header") $(tr -d '\r\n' < "$DIR/answer")"
    done
}

start_simulator
prepare
start_ready || { tail -5 "$DIR/renewd.all"; exit 1; }
number=0
for one in sh py js; do
    for door in socket tcp; do
        number=$((number + 1))
        examples $one $door $number
    done
done
reverse_proxy
sim misbehave '{"mode":"status","provider":"strict","status":429,"headers":{"Retry-After":"3000"},"count":-1}' > /dev/null
for one in sh py js; do later $one; done
stop_renewd
no_tokens_in_logs
finish
