#!/bin/bash
# SPDX-License-Identifier: MIT
# A token on demand, on both stores: 500 askers of a dead token are one refresh, also over two hosts; a token
# that lives is served while the provider or the store is away; backoff, and what only a person can mend, are
# told apart; what the application changes is seen within a second; nobody gets one who may not.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"

export APP_SECRET=app-secret-0123456789 READER_SECRET=reader-secret-0123456789
SECOND_PID=''
trap 'ended_with=$?; stop_process "$SECOND_PID"; (exit $ended_with); cleanup' EXIT
start_simulator

stop_second() {
    stop_process "$SECOND_PID"
    SECOND_PID=''
}

yearly() { # TABLE: its job refreshes nothing by itself
    strict_job "$1" "$1" "${2:-}"
    sed -i 's/^schedule.*/schedule = "0 0 1 1 *";/' "$DIR/conf.d/$1.conf"
}

prepare() { # STORE [AGE]
    stage "$1"
    rm -rf "$DIR/state2"
    make_accounts_table tokens
    load_accounts strict tokens 3 acct "\"age\":${2:-10800}"
    yearly tokens
}

id_of() { sql "select id from tokens where account = 'acct-$1'"; }

ask() { # PATH [CURL OPTION...]: prints the status, leaves the answer
    local path=$1
    shift
    curl -sS -o "$DIR/answer" -D "$DIR/headers" -w '%{http_code}' --max-time 60 --unix-socket "$SOCKET" "$@" \
        "http://localhost/v1/jobs/tokens/records/$path"
}

member_of() { json "\$.$1" < "$DIR/answer"; }

askers() { # SOCKET NAME COUNT: so many at once; their answers in $DIR/NAME.*
    local i
    for ((i = 1; i <= $3; i++)); do
        printf 'url = "http://localhost/v1/jobs/tokens/records/%s/token?min_valid=60"\noutput = "%s"\n' \
            "$id" "$DIR/$2.$i"
    done > "$DIR/$2-urls"
    curl -sS -Z --parallel-immediate --parallel-max "$3" --max-time 60 --unix-socket "$1" -K "$DIR/$2-urls" > /dev/null 2> "$DIR/$2-errors"
}

# reads: how often the table's rows were looked for, told when all connections have ended (PostgreSQL).
reads() { sql "select coalesce(idx_scan, 0) + seq_scan from pg_stat_user_tables where relname = 'tokens'"; }
alone() { [ "$(sql "select count(*) from pg_stat_activity where datname = current_database()")" = 1 ]; }

different_answers() { cat "$DIR"/crowd?.* | sort -u | wc -l; }

one_host() { # STORE
    local s="$1, one host" id
    prepare "$1"
    start_ready || exit 1
    id=$(id_of 1)
    sim misbehave '{"mode":"delay","provider":"strict","ms":300,"when":"before","count":-1}' > /dev/null
    askers "$SOCKET" crowd1 250 &
    local first=$!
    askers "$SOCKET" crowd2 250
    wait $first
    check_equal "$s: 500 askers of a dead token are one refresh" 1 "$(sim_count strict presented)"
    check_equal "$s: in one run" 1 "$(sql "select count(*) from $(own runs)")"
    check_equal "$s: all of them are answered" 500 "$(find "$DIR" -name 'crowd?.*' -size +0 | wc -l)"
    check_equal "$s: all with the same token" 1 "$(different_answers)"
    check_equal "$s: which lives at the provider" live "$(sim_token "$(json '$.access_token' < "$DIR/crowd1.7")" state)"
    check_equal "$s: and stands in the row" "$(json '$.access_token' < "$DIR/crowd1.7")" \
        "$(sql "select access_token from tokens where id = $id")"
    check_equal "$s: the next asker needs no refresh" 200 "$(ask "$id/token")"
    check_equal "$s: and hears the generation" 1 "$(member_of generation)"
    check_match "$s: nothing on the way may keep it" '^Cache-Control: no-store' "$(cat "$DIR/headers")"
    check_equal "$s: still one refresh" 1 "$(sim_count strict presented)"
    sim misbehave '{"clear":true}' > /dev/null
    check_equal "$s: renewctl prints the token" "$(sql "select access_token from tokens where id = $id")" "$(ctl token tokens "$id")"
    check_equal "$s: more life than a token ever had is not waited for" 200 "$(ask "$id/token?min_valid=86400")"
    check_equal "$s: it is refreshed as far as 80 % of its life go" 1 "$(sim_count strict presented)"
    rm -f "$DIR"/crowd*
    stop_renewd
    [ "$1" = postgresql ] || return 0
    wait_until 20 alone
    check "$s: all who wait share what is read ($(reads) reads)" [ "$(reads)" -lt 250 ]
}

two_hosts() { # STORE
    local s="$1, two hosts" id
    prepare "$1"
    mkdir -p "$DIR/state2"
    chmod 700 "$DIR/state2"
    sed -e 's/state_dir = "state"/state_dir = "state2"/' -e "s,$SOCKET,$DIR/second.sock," "$CONF" > "$DIR/second.conf"
    start_ready || exit 1
    "$RENEWD" -c "$DIR/second.conf" >> "$DIR/renewd.all" 2>&1 &
    SECOND_PID=$!
    check "$s: the second starts" wait_until 30 curl -sSf --unix-socket "$DIR/second.sock" http://localhost/readyz
    id=$(id_of 2)
    sim misbehave '{"mode":"delay","provider":"strict","ms":300,"when":"before","count":-1}' > /dev/null
    askers "$SOCKET" crowd1 250 &
    local first=$!
    askers "$DIR/second.sock" crowd2 250
    wait $first
    check_equal "$s: 500 askers of a dead token are one refresh" 1 "$(sim_count strict presented)"
    check_equal "$s: all of them are answered" 500 "$(find "$DIR" -name 'crowd?.*' -size +0 | wc -l)"
    check_equal "$s: all with the same token" 1 "$(different_answers)"
    check_equal "$s: which lives at the provider" live "$(sim_token "$(json '$.access_token' < "$DIR/crowd2.7")" state)"
    sim misbehave '{"clear":true}' > /dev/null
    # Many records, quickly: each host asks for what the other has just refreshed.
    load_accounts strict tokens 60 more
    sim mark '{}' > /dev/null
    check "$s: new records are known on demand" wait_until 5 answers_second "$(sql 'select max(id) from tokens')"
    sim mark '{}' > /dev/null
    each_once "$SOCKET" crowd1 &
    first=$!
    each_once "$DIR/second.sock" crowd2
    wait $first
    check_equal "$s: 60 records are 60 refreshes" "60 60" \
        "$(strict_accounts more ok) $(strict_accounts more presented)"
    check_equal "$s: nothing was presented twice" '' "$(presented_twice)"
    rm -f "$DIR"/crowd*
    stop_waiting "$s"
    stop_second
    stop_renewd
}

# Who waits for what another host refreshes is not waited for at the end.
stop_waiting() { # NAME
    local begun first second
    id=$(id_of 3)
    sim mark '{}' > /dev/null
    sim misbehave '{"mode":"delay","provider":"strict","ms":4000,"when":"before","count":1}' > /dev/null
    curl -sS -o /dev/null -w '%{http_code}' --unix-socket "$DIR/second.sock" \
        "http://localhost/v1/jobs/tokens/records/$id/token" > "$DIR/second.status" &
    second=$!
    check "$1: the other host refreshes" wait_until 10 asked_once
    ask "$id/token" > "$DIR/first.status" &
    first=$!
    check "$1: this one waits for it" wait_until 10 waits
    begun=$(date +%s%N)
    stop_renewd
    check "$1: it stops all the same" in_time "$begun" 2500
    wait $first
    check_equal "$1: and says so to who waits" 503 "$(cat "$DIR/first.status")"
    wait $second
    check_equal "$1: the other one answers" 200 "$(cat "$DIR/second.status")"
}

asked_once() { [ "$(sim_count strict requests)" = 1 ]; }
waits() { [ "$(grep -c " $SOCKET\$" /proc/net/unix)" -gt 1 ]; } # a connection beside the socket itself

each_once() { # SOCKET NAME: every record whose account begins with "more"
    sql "select id from tokens where account like 'more%' order by id" | while read -r one; do
        printf 'url = "http://localhost/v1/jobs/tokens/records/%s/token?min_valid=60"\noutput = "%s"\n' \
            "$one" "$DIR/$2.$one"
    done > "$DIR/$2-urls"
    curl -sS -Z --parallel-immediate --parallel-max 8 --max-time 60 --unix-socket "$1" -K "$DIR/$2-urls" > /dev/null 2> "$DIR/$2-errors"
}

strict_accounts() { # PREFIX ok|presented: summed
    sim_get 'accounts?provider=strict&format=tsv' |
        awk -F '\t' -v p="$1" -v want="$2" 'index($1, p) == 1 { n += want == "ok" ? $7 : $5 } END { print n + 0 }'
}

answers_second() {
    [ "$(curl -sS -o /dev/null -w '%{http_code}' --unix-socket "$DIR/second.sock" \
        "http://localhost/v1/jobs/tokens/records/$1/token")" = 200 ]
}

# 50 minutes of its hour are over: 300 s are left, 900 are wanted.
provider_away() { # STORE
    local s="$1, provider down" id
    prepare "$1" 3300
    start_ready || exit 1
    id=$(id_of 1)
    sim misbehave '{"mode":"status","provider":"strict","status":500,"count":-1}' > /dev/null
    check_equal "$s: a token that lives is served" 200 "$(ask "$id/token?min_valid=900")"
    check_equal "$s: it is the old one" "$(sql "select access_token from tokens where id = $id")" "$(member_of access_token)"
    check_equal "$s: after one attempt" 1 "$(sim_count strict requests)"
    check_equal "$s: again" 200 "$(ask "$id/token?min_valid=900")"
    check_equal "$s: backoff is respected" 1 "$(sim_count strict requests)"
    sql "update tokens set expires_at = $(ago 60) where id = $id"
    check "$s: a dead one is not" wait_until 2 answers 503
    check_equal "$s: the answer says so" retry_later "$(member_of error.code)"
    check_match "$s: and when to ask again" '^Retry-After: [0-9]+' "$(cat "$DIR/headers")"
    ctl token tokens "$id" > "$DIR/token.out" 2>&1
    check_equal "$s: renewctl token fails" 1 $?
    check_match "$s: and says when to ask again" \
        '^renewctl: .*; ask again in [0-9]+ s, at 2[0-9]{3}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2} UTC$' "$(cat "$DIR/token.out")"
    sim misbehave '{"clear":true}' > /dev/null
    id=$(id_of 2)
    sim revoke '{"provider":"strict","account":"acct-2"}' > /dev/null
    check_equal "$s: a dead grant is a person's matter" 409 "$(ask "$id/token?min_valid=900")"
    check_equal "$s: the answer has the state" reconnect "$(member_of state)"
    sim mark '{}' > /dev/null
    check_equal "$s: and again" 409 "$(ask "$id/token?min_valid=900")"
    check_equal "$s: the provider is not asked again" 0 "$(sim_count strict requests)"
    id=$(id_of 3)
    sql "update tokens set refresh_token = null, expires_at = $(ago 60) where id = $id"
    check_equal "$s: so is a record without a refresh token" 409 "$(ask "$id/token")"
    check_equal "$s: in a word" without_credential "$(member_of error.code)"
    stop_renewd
}

answers() { [ "$(ask "$id/token")" = "$1" ]; }

ago() { # SECONDS, as the table keeps times
    if [ "$STORE" = sqlite ]; then echo $(($(date +%s) - $1)); else echo "now() - interval '$1 seconds'"; fi
}

shows() { # TOKEN: is what is served now
    ask "$id/token" > /dev/null && [ "$(member_of access_token)" = "$1" ]
}

outside() { # STORE
    local s="$1, outside change" id
    prepare "$1" 60
    start_ready || exit 1
    id=$(id_of 1)
    check_equal "$s: a fresh token is served as it is" 200 "$(ask "$id/token")"
    sql "update tokens set access_token = 'hand-made' where id = $id"
    check "$s: the application's own is served within a second" wait_until 2 shows hand-made
    check_equal "$s: without a refresh" 0 "$(sim_count strict requests)"
    check_equal "$s: an unknown record: 404" 404 "$(ask 4711/token)"
    check_equal "$s: nonsense: 400" 400 "$(ask "$id/token?min_valid=soon")"
    check_equal "$s: an unknown parameter: 400" 400 "$(ask "$id/token?valid=1")"
    check_equal "$s: POST: 405" 405 "$(ask "$id/token" -X POST)"
    check_match "$s: with Allow" '^Allow: GET' "$(cat "$DIR/headers")"
    sql "delete from tokens where id = $id"
    check "$s: a row that is gone is not served" wait_until 2 answers 404
    check_fails "$s: renewctl: a nonsense duration" ctl token tokens 1 --min-valid soon
    stop_renewd
}

away() { # only PostgreSQL can go away under a daemon that holds it
    local s="store away" id port
    make_own_cluster
    prepare postgresql 60
    echo 'functions = [ "refresh-token", "allocate-periodic-tokens" ];' >> "$DIR/conf.d/tokens.conf"
    start_ready || exit 1
    id=$(id_of 1)
    check_equal "$s: asked once" 200 "$(ask "$id/token")"
    local token
    token=$(member_of access_token)
    "$TOP/tests/pg/stop" "$DIR/pg"
    check "$s: renewd notices" wait_until 20 is_away
    check_equal "$s: what was asked for is served" "200 $token" "$(ask "$id/token") $(member_of access_token)"
    check_fails "$s: a reload cannot say that every job works" ctl reload
    check_equal "$s: forgets nothing of a job that did not change" "200 $token" \
        "$(ask "$id/token") $(member_of access_token)"
    check_equal "$s: what nobody asked for cannot be" 503 "$(ask 3/token)"
    check_equal "$s: which is said" store_away "$(member_of error.code)"
    check_equal "$s: a function serves it, too" "200 $token" \
        "$(post_function refresh-token "{\"platform\":\"oauth2\",\"creator_unique_identifier\":\"$id\"}") $(member_of access_token)"
    check_equal "$s: one that needs the store says what its callers know" "500 Failed to fetch user subscriptions." \
        "$(post_function allocate-periodic-tokens '{}') $(member_of error)"
    stop_renewd
}

post_function() { # NAME BODY
    curl -sS -o "$DIR/answer" -w '%{http_code}' --max-time 30 --unix-socket "$SOCKET" -d "$2" "http://localhost/functions/v1/$1"
}

own_table() { # STORE: rows that renewd keeps itself, sealed
    local s="$1, own table"
    stage "$1"
    strict_job tokens tokens '' client-1 post ' '
    sed -i 's/^schedule.*/schedule = "0 0 1 1 *";/' "$DIR/conf.d/tokens.conf"
    sim 'accounts?format=tsv' '{"provider":"strict","account":"mine","age":10800}' > "$DIR/mine.tsv"
    awk -F '\t' '{ printf "{\"id\":\"mine\",\"access_token\":\"%s\",\"refresh_token\":\"%s\"}\n", $2, $3 }' \
        "$DIR/mine.tsv" > "$DIR/mine.json"
    start_ready || exit 1
    check "$s: import" ctl import tokens "$DIR/mine.json"
    check_equal "$s: a token" live "$(sim_token "$(ctl token tokens mine --min-valid 1m)" state)"
    check_equal "$s: once refreshed" 1 "$(sim_account strict mine presented)"
    check "$s: pause" ctl pause tokens
    check_equal "$s: a paused job serves what lives" 200 "$(ask mine/token)"
    stop_renewd
}

is_away() { [ "$(ctl --json status | json '$.store.up')" = 0 ]; }

make_own_cluster() { # which this test may stop
    local settings
    [ ! -d "$DIR/pg" ] || return 0
    settings=$("$TOP/tests/pg/start" "$DIR/pg") || exit 1
    eval "$settings"
    export PG_DIR PGHOST PGPORT
}

# The group renewd, for the daemon alone, whether this system has one or not. Its number in $GROUP; '': there is none.
with_group() {
    GROUP=$(getent group renewd | cut -d: -f3)
    [ -z "$GROUP" ] || return 0
    GROUP=54399
    { cat /etc/group; echo "renewd:x:$GROUP:"; } > "$DIR/group"
    printf '#!/bin/sh\nexec unshare -m sh -c '\''mount --bind "$0" /etc/group && exec "$@"'\'' "%s" "%s" "$@"\n' "$DIR/group" \
        "$RENEWD" > "$DIR/renewd-in-group"
    chmod 755 "$DIR/renewd-in-group"
    if "$DIR/renewd-in-group" --version > /dev/null 2>&1; then RENEWD=$DIR/renewd-in-group; else GROUP=''; fi
}

# Every route of the table, asked by an operator, whatever it answers: a token of the table is in none of the answers.
operator_everywhere() { # NAME
    local s=$1 method path all=0 refused=0 status
    : > "$DIR/answers"
    while read -r method path; do
        path=${path//'{job}'/tokens}
        case $path in */hosts/* | */plugins/*) path=${path//'{id}'/none} ;; *) path=${path//'{id}'/$id} ;; esac
        [ "$method" != '*' ] || method=GET path=$path/me
        all=$((all + 1))
        status=$(operator "$method" "$path")
        [ "$status" != 403 ] || refused=$((refused + 1))
        cat "$DIR/operators" >> "$DIR/answers"
    done < <(sed -n 's/^    {"\([A-Z*]*\)", "\(\/[^"]*\)", handle.*/\1 \2/p' "$TOP/core/api/routes.c"
             sed -n 's/^    {"\([a-z-]*\)", function_.*/POST \/functions\/v1\/\1/p' "$TOP/core/api/compat/functions.c")
    check "$s: all routes were asked ($all)" test "$all" -ge 29
    check_equal "$s: those of tokens are refused, and no others" 5 "$refused"
    check_no_match "$s: no answer holds a token" 'strict\.[ar]t\.' "$(cat "$DIR/answers")"
}

operator() { # METHOD PATH: of the group renewd, and not in token_users
    local data='{"platform":"oauth2","creator_unique_identifier":"'$id'"}'
    [ "$1" = POST ] && [[ $2 == /functions/* ]] || data=''
    setpriv --reuid daemon --regid "$GROUP" --clear-groups curl -s -o - -w '\n%{http_code}' -X "$1" ${data:+-d "$data"} \
        --unix-socket "$SOCKET" "http://localhost$2" > "$DIR/operators"
    tail -n 1 "$DIR/operators"
}

doors() {
    local s="doors" id port=$(free_port) GROUP='' RENEWD=$RENEWD
    prepare sqlite 60
    yearly tokens 'functions = [ "refresh-token" ];'
    [ "$(id -u)" != 0 ] || with_group
    sed -i '/^api = /d' "$CONF"
    cat >> "$CONF" <<CONF
api = { socket = "$SOCKET"; listen = "127.0.0.1:$port"; token_users = [ "nobody" ];
        clients = ( { name = "app"; secret = "env:APP_SECRET"; jobs = [ "tokens" ]; allow = [ "token" ]; },
                    { name = "reader"; secret = "env:READER_SECRET"; jobs = [ "*" ]; allow = [ "read", "operate" ]; } ); };
CONF
    start_ready || exit 1
    id=$(id_of 1)
    local url=http://127.0.0.1:$port/v1/jobs/tokens/records/$id
    check_equal "$s: a client with token" 200 "$(tcp "$APP_SECRET" "$url/token")"
    check_equal "$s: may do nothing else" 403 "$(tcp "$APP_SECRET" "$url")"
    check_equal "$s: read and operate are not token" 403 "$(tcp "$READER_SECRET" "$url/token")"
    check_equal "$s: no secret" 401 "$(tcp '' "$url/token")"
    if [ "$(id -u)" = 0 ]; then
        chmod 666 "$SOCKET"
        check_equal "$s: a stranger on the socket" 403 "$(stranger daemon)"
        check_equal "$s: token_users alone does not open the door" 403 "$(stranger nobody)"
        if [ -n "$GROUP" ]; then
            check_equal "$s: an operator of the group renewd" 403 "$(stranger daemon --regid "$GROUP")"
            check_equal "$s: one who is named" 200 "$(stranger nobody --regid "$GROUP")"
            check_equal "$s: an operator sees the record" 200 "$(operator GET "/v1/jobs/tokens/records/$id")"
            check_equal "$s: and gets no token from a function" 403 "$(operator POST /functions/v1/refresh-token)"
            check_match "$s: which says why" 'api.token_users' "$(cat "$DIR/operators")"
            operator_everywhere "$s, an operator"
        fi
    fi
    stop_renewd
}

tcp() { curl -s -o "$DIR/answer" -w '%{http_code}' ${1:+-H "Authorization: Bearer $1"} "$2"; }

stranger() { # USER [OPTION...]
    local user=$1
    shift
    setpriv --reuid "$user" "$@" --clear-groups curl -s -o /dev/null -w '%{http_code}' --unix-socket "$SOCKET" \
        "http://localhost/v1/jobs/tokens/records/$id/token"
}

for store in sqlite postgresql; do
    one_host $store
    two_hosts $store
    provider_away $store
    outside $store
    own_table $store
done
doors
away
no_tokens_in_logs
check_no_match "no secret of a client in any log" 'app-secret|reader-secret' "$(cat "$DIR/renewd.all")"
finish
