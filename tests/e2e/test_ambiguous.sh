#!/bin/bash
# SPDX-License-Identifier: MIT
# Requests of which no answer comes. What follows is the job's `replay`: `safe` repeats with backoff, `grace`
# repeats at once and no more than three times a minute, `single_use` presents once more at the last safe
# moment and never again by itself, whatever is restarted, whichever host or job holds the credential.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"

# begin STORE REPLAY [MORE]: two accounts whose access tokens live a day; NOW is a time when they are due,
# END when those tokens end.
begin() {
    stage "$1"
    make_accounts_table tokens
    NOW=$(date +%s)
    sim clock "{\"now\":$NOW}" > /dev/null
    load_accounts strict tokens 2 silent '"age":0,"expires_in":86400'
    END=$((NOW + 86400))
    NOW=$((END - 43200))
    strict_job tokens tokens "refresh_before = \"12h\"; replay = \"$2\"; ${3:-}"
}

once_at() { # TIME
    sim clock "{\"now\":$1}" > /dev/null
    run_at_time "$1" --once
}

lose_answers() { # MODE [MORE]
    sim misbehave "{\"mode\":\"$1\",\"provider\":\"strict\",\"count\":-1${2:-}}" > /dev/null
}

answers_come() {
    sim misbehave '{"clear":true}' > /dev/null
}

# The records' state, time of the next try and attempts; one line where they agree.
records() {
    sql "select distinct state, not_before, due_at, attempts from $(own records)"
}

single_use() { # STORE
    local s="$1, single_use" at served
    begin "$1" single_use
    served=$(sql "select min(access_token) from tokens")
    lose_answers drop_before
    check_fails "$s: no answer comes" once_at $NOW
    check_equal "$s: both are ambiguous until five minutes before the end" \
        "6|$((END - 300))|$((END - 300))|1" "$(records)"
    check_equal "$s: the credential is held, for every record of it" "1|$((END - 300))" \
        "$(sql "select distinct unanswered, hold_until from $(own credentials)")"
    for at in 60 900 36000 42000; do
        once_at $((NOW + at))
    done
    check_equal "$s: nothing is presented meanwhile" 2 "$(strict_sum presented)"
    check_equal "$s: the old access token stands" "$served" "$(sql "select min(access_token) from tokens")"
    check_fails "$s: at the last safe moment no answer comes either" once_at $((END - 300))
    check_equal "$s: each was presented once more" 4 "$(strict_sum presented)"
    check_match "$s: and people are told" 'remedy="no answer came twice' "$(cat "$DIR/renewd.log")"
    never_again "$s"
}

# After the last presentation: nobody presents it by itself, today or later, here or elsewhere.
never_again() { # NAME
    local s=$1 at
    check_match "$s: there is no next time" '^6\|253402300799\|0\|2$' "$(records)"
    for at in -240 10 86400 864000; do
        once_at $((END + at))
    done
    rm -rf "$DIR/state" # another host
    mkdir -m 700 "$DIR/state"
    once_at $((END + 864060))
    check_equal "$s: nobody presents it again by itself" 4 "$(strict_sum presented)"
    start_ready || exit 1
    check_match "$s: explain says why" 'presented twice and no usable answer came' "$(ctl explain tokens 1)"
    check_match "$s: show says what to do" 'run renewctl refresh' "$(ctl --json show tokens 1)"
    check_equal "$s: and no next time" '' "$(ctl --json show tokens 1 | json '$.next_at')"
    ctl refresh tokens > /dev/null
    check_equal "$s: refreshing the whole job does not mean it" 4 "$(strict_sum presented)"
    answers_come
    check "$s: by hand it is presented" ctl refresh tokens 1
    check_equal "$s: once" 5 "$(strict_sum presented)"
    check_equal "$s: and all is well with it" "1|0" "$(sql "select r.state, c.unanswered from $(own records) r
        join $(own credentials) c on c.fingerprint = r.fingerprint where r.rkey = '1'")"
    stop_renewd
    sim 'accounts?format=tsv' '{"provider":"strict","count":1,"prefix":"new","age":0,"expires_in":86400}' |
        cut -f 3 > "$DIR/new"
    sql "update tokens set refresh_token = '$(sed "s/'/''/g" "$DIR/new")' where id = 2"
    check "$s: a new credential of its application's is no such" once_at $((END + 864120))
    check_equal "$s: and ends it" "1|0|0" "$(sql "select r.state, c.unanswered, r.attempts from $(own records) r
        join $(own credentials) c on c.fingerprint = r.fingerprint where r.rkey = '2'")"
}

# The process dies in its attempts: the first, and the last.
killed() { # STORE
    local s="$1, killed"
    begin "$1" single_use
    lose_answers delay ',"ms":20000,"process":false'
    die_in_flight $NOW 2
    once_at $((NOW + 60))
    check_match "$s: what it left is an attempt without an answer" "^6\\|$((END - 300))\\|$((END - 300))\\|1\$" "$(records)"
    check_equal "$s: nothing is presented meanwhile" 2 "$(strict_sum presented)"
    die_in_flight $((END - 200)) 4
    once_at $((END - 100))
    check_match "$s: so is the last one" '^6\|253402300799\|0\|2$' "$(records)"
    answers_come
    once_at $((END + 864000))
    check_equal "$s: nobody presents it again" 4 "$(strict_sum presented)"
}

presented_is() { [ "$(strict_sum presented)" = "$1" ]; }

die_in_flight() { # TIME PRESENTED
    sim clock "{\"now\":$1}" > /dev/null
    clock_exec "$1" "$RENEWD" -c "$CONF" --once >> "$DIR/renewd.all" 2>&1 &
    RENEWD_PID=$!
    check "$s: requests are under way" wait_until 20 presented_is "$2"
    stop_renewd KILL
}

# Between the two presentations the provider is down and answers with a status: those do not count as
# answers to the credential, and do not bring a third one.
mixed() { # STORE
    local s="$1, mixed"
    begin "$1" single_use
    lose_answers drop_before
    once_at $NOW
    answers_come
    lose_answers status
    check_fails "$s: at the last moment the provider is down" once_at $((END - 300))
    check_equal "$s: that is transient" "2" "$(sql "select distinct state from $(own records)")"
    answers_come
    lose_answers drop_before
    once_at $((END + 7200))
    check_match "$s: the second time without an answer is the last" '^6\|253402300799\|0\|3$' "$(records)"
    once_at $((END + 864000))
    check_equal "$s: nobody presents it again" 6 "$(strict_sum presented)"
}

grace() { # STORE
    local s="$1, grace" at
    begin "$1" grace:0
    lose_answers drop_before
    for at in 0 2 4 6; do
        once_at $((NOW + at))
    done
    check_equal "$s: three repeats at once" 8 "$(strict_sum presented)"
    for at in 8 20 40 50; do
        once_at $((NOW + at))
    done
    check_equal "$s: no fourth within the minute" 8 "$(strict_sum presented)"
    once_at $((NOW + 140))
    check_equal "$s: then with backoff" 10 "$(strict_sum presented)"
    once_at $((NOW + 190))
    check_equal "$s: that grows" 10 "$(strict_sum presented)"
    answers_come
    check "$s: when answers come again it is refreshed" once_at $((NOW + 400))
    check "$s: truth and table agree" compare_truth strict tokens silent
}

# A third of the grace is as long as a request may take, so that its repeats fall into it.
grace_timeout() { # STORE
    local s="$1, grace in seconds"
    begin "$1" grace:3
    lose_answers delay ',"ms":5000,"process":false'
    check_fails "$s: no answer within a second" once_at $NOW
    check_match "$s: is none" '^6\|' "$(records)"
}

# A plugin that wants another try at once decides about other failures, not about this one.
a_plugin_decides() { # STORE
    local s="$1, a plugin decides" plugins=$PLUGIN_DIR PLUGIN_DIR=$DIR/plugins
    mkdir -p "$PLUGIN_DIR"
    cp "$plugins/oauth2.so" "$PLUGIN_DIR/"
    check "$s: it is built" ${CC:-cc} -shared -fPIC -I"$TOP/include" -I"$TOP/plugins" -o "$PLUGIN_DIR/hasty.so" \
        "$TOP/tests/plugins/hasty.c" "$TOP/plugins/oauth_common.c"
    begin "$1" single_use
    sed -i 's/plugin = "oauth2"/plugin = "hasty"/' "$DIR/conf.d/tokens.conf"
    lose_answers status ',"status":500'
    once_at $NOW
    check_equal "$s: a fault of the provider's is tried again when it says" '2|1' \
        "$(sql "select distinct state, not_before - last_at from $(own records)")"
    local before # a run that lasts for more than that second has tried again
    before=$(strict_sum presented)
    answers_come
    lose_answers drop_before
    once_at $((NOW + 120))
    check_equal "$s: without an answer nobody presents it before its last safe moment" "6|$((END - 300))" \
        "$(sql "select distinct state, not_before from $(own records)")"
    once_at $((NOW + 600))
    check_equal "$s: nor does it" $((before + 2)) "$(strict_sum presented)"
}

safe() { # STORE
    local s="$1, safe"
    begin "$1" safe
    lose_answers drop_before
    once_at $NOW
    check_match "$s: repeated within half a minute" '^yes\|6\|1$' "$(sql "select distinct
        case when not_before between $((NOW + 15)) and $((NOW + 40)) then 'yes' else 'no' end, state, attempts
        from $(own records)")"
    once_at $((NOW + 42))
    once_at $((NOW + 120))
    check_equal "$s: again and again" 6 "$(strict_sum presented)"
}

# Two jobs of two tables hold one credential. One gets no answer: the other one does not present it.
shared() { # STORE
    local s="$1, shared"
    begin "$1" single_use
    make_accounts_table others
    sql "insert into others (account, access_token, refresh_token, expires_at)
         select account, access_token, refresh_token, expires_at from tokens"
    strict_job others others 'refresh_before = "1h"; replay = "single_use";'
    lose_answers drop_before
    once_at $NOW
    check_equal "$s: one job presents both" 2 "$(strict_sum presented)"
    once_at $((END - 3600))
    check_equal "$s: the other one, due later, neither" 2 "$(strict_sum presented)"
    once_at $((END - 300))
    check_equal "$s: at the last safe moment each goes out once" 4 "$(strict_sum presented)"
    once_at $((END + 60))
    check_equal "$s: and never again" 4 "$(strict_sum presented)"
}

tls_port() { # a port that speaks TLS, and ends what does not without a word
    local line=''
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=port \
        -keyout "$DIR/port.key" -out "$DIR/port.pem" 2> /dev/null
    openssl s_server -accept 127.0.0.1:0 -cert "$DIR/port.pem" -key "$DIR/port.key" -www > "$DIR/port.out" 2> /dev/null < /dev/null &
    TLS_PID=$!
    while [ -z "$line" ]; do
        kill -0 "$TLS_PID" || exit 1
        line=$(grep -m 1 '^ACCEPT .*:' "$DIR/port.out")
    done
    TLS_PORT=${line##*:}
}

# Nothing listens: not a byte left, so it is repeated like any other failure.
not_sent() { # STORE
    local s="$1, not sent"
    begin "$1" single_use
    sed -i "s|token_url = [^;]*|token_url = \"http://127.0.0.1:1/token\"|" "$DIR/conf.d/tokens.conf"
    check_fails "$s: nothing listens" once_at $NOW
    check_equal "$s: that is transient" "2|not_sent" \
        "$(sql "select distinct state, last_code from $(own records)")"
    check_equal "$s: and holds nothing" "0|0" "$(sql "select sum(unanswered), sum(hold_until) from $(own credentials)")"
    tls_port
    sed -i "s|token_url = [^;]*|token_url = \"http://127.0.0.1:$TLS_PORT/token\"|" "$DIR/conf.d/tokens.conf"
    check_fails "$s: a port that speaks TLS closes without a word" once_at $((NOW + 40))
    check_equal "$s: that is transient too" "2|not_sent" "$(sql "select distinct state, last_code from $(own records)")"
    check_equal "$s: and holds nothing either" "0|0" "$(sql "select sum(unanswered), sum(hold_until) from $(own credentials)")"
    check_match "$s: it is told in words" 'this port speaks TLS and refused a request without it; write https://' \
        "$(cat "$DIR/renewd.log")"
    stop_process "$TLS_PID" KILL
    sed -i "s|token_url = [^;]*|token_url = \"https://${SIM_URL#http://}/strict/token\"|" "$DIR/conf.d/tokens.conf"
    once_at $((NOW + 200))
    check_match "$s: https to a port without TLS is told in words" 'text="no connection to .*this port does not speak TLS' \
        "$(cat "$DIR/renewd.log")"
    check_match "$s: with time, job, record and account" \
        '^time=20[^ ]*Z level=warning msg="record not refreshed" job=tokens record=[12] account=silent[^ ]* ' "$(cat "$DIR/renewd.log")"
    start_ready || exit 1
    check_match "$s: explain has the reason too" 'its last error: not_sent: no connection to .*this port does not speak TLS' "$(ctl explain tokens 1)"
    stop_renewd
    strict_job tokens tokens 'refresh_before = "12h"; replay = "single_use";'
    check "$s: once it is right it is refreshed" once_at $((NOW + 400))
    check_equal "$s: with one presentation" 2 "$(strict_sum presented)"
}

# An outage behind a gateway that answers 502: the provider takes half of the requests all the same. Each try of an
# hour like that is a throw of the dice for a refresh token that may be used once.
gateway_stage() { # STORE REPLAY COUNT
    stage "$1"
    make_accounts_table tokens
    NOW=$(date +%s)
    sim clock "{\"now\":$NOW}" > /dev/null
    load_accounts strict tokens "$3" gate '"age":0,"expires_in":86400'
    END=$((NOW + 86400))
    NOW=$((END - 43200))
    strict_job tokens tokens "refresh_before = \"12h\"; replay = \"$2\"; in_flight = 100;"
}

outage() { # STATUS
    sim misbehave "{\"mode\":\"status\",\"provider\":\"strict\",\"status\":$1,\"process\":true,\"share\":50,\"seed\":7,\"count\":-1}" > /dev/null
    sim misbehave "{\"mode\":\"status\",\"provider\":\"strict\",\"status\":$1,\"count\":-1}" > /dev/null
}

# Grants whose newest refresh token is in the table.
alive() {
    sql_tsv 'select account, refresh_token from tokens' | sort > "$DIR/alive.table"
    sim_get 'accounts?provider=strict&format=tsv' | cut -f 1,3 | sort | comm -12 "$DIR/alive.table" - | wc -l
}

gateway() { # STORE COUNT
    local s="$1, behind a gateway" count=$2 taken at
    gateway_stage "$1" single_use "$count"
    outage 502
    once_at $NOW
    taken=$(strict_sum ok)
    check "$s: the provider has taken some of them, not all" [ "$taken" -gt $((count / 5)) -a "$taken" -lt $((count * 4 / 5)) ]
    check_match "$s: nobody knows which: all wait for the last safe moment" "^6\\|$((END - 300))\\|$((END - 300))\\|1\$" "$(records)"
    check_match "$s: the row says what answered" 'gateway: a gateway answered' "$(sql 'select min(last_error) from tokens')"
    for at in 60 600 3600; do
        once_at $((NOW + at))
    done
    check_equal "$s: nothing is presented meanwhile" "$count" "$(strict_sum presented)"
    # The last safe moment falls into another outage, before which nothing is taken; then nothing listens.
    answers_come
    lose_answers status ',"status":504'
    once_at $((END - 300))
    check_equal "$s: another 504 at the last try is no end" '2|gateway' "$(sql "select distinct state, last_code from $(own records)")"
    sed -i.was "s|token_url = [^;]*|token_url = \"http://127.0.0.1:1/token\"|" "$DIR/conf.d/tokens.conf"
    once_at $((END - 100))
    check_equal "$s: nor is a refused connection" '2|not_sent' "$(sql "select distinct state, last_code from $(own records)")"
    mv "$DIR/conf.d/tokens.conf.was" "$DIR/conf.d/tokens.conf"
    answers_come
    once_at $((END + 7200))
    check_equal "$s: who was not taken lives" $((count - taken)) "$(alive)"
    check_equal "$s: of those that were taken each repeat cost one grant, and no other" "$taken" "$(strict_sum reuse)"
    echo "# $s: $count grants, $taken taken behind the 502: $(alive) live after the outage"
    # The other choice: as if each 502 were a fault that passes.
    gateway_stage "$1" safe "$count"
    for at in 0 60 400 1500; do
        outage 502
        once_at $((NOW + at))
        answers_come
    done
    once_at $((NOW + 14400))
    echo "# $s: repeated four times during the outage: $(alive) live"
    check "$s: repeated meanwhile more are lost" [ "$(alive)" -lt $((count - taken)) ]
}

start_simulator
gateway sqlite 100
gateway postgresql 20
for store in sqlite postgresql; do
    single_use $store
    killed $store
    mixed $store
    grace $store
    shared $store
done
grace_timeout sqlite
a_plugin_decides sqlite
safe sqlite
not_sent postgresql
no_tokens_in_logs
finish
