#!/bin/bash
# SPDX-License-Identifier: MIT
# A stop that does not wait any longer, on both stores: a provider that never answers, while attempts, a token that is
# waited for, a forwarded call and events are under way. renewd ends by itself, with status 0; the next start knows what
# was sent.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"
. "$(dirname "$0")/graph.sh"
. "$(dirname "$0")/events.sh"

start_simulator

held_up() { # PATH COUNT: so many requests wait there
    [ "$(sim_get counts | json "\$.$1.requests")" -ge "$2" ]
}

get() { # NAME PATH: an asker in the background; its status in $DIR/NAME.status
    curl -sS -o /dev/null -w '%{http_code}' --max-time 120 --unix-socket "$SOCKET" "http://localhost/v1/jobs/$2" \
        > "$DIR/$1.status" 2> /dev/null &
}

prepare() { # STORE
    HTTP_TIMEOUT=5m events_stage "$1"
    echo 'stop_wait = "1s";' >> "$CONF"
    make_accounts_table tokens
    load_accounts strict tokens 3 acct
    load_accounts strict tokens 1 live '"age":60'
    strict_job tokens tokens "http = { timeout = \"5m\"; };
forward = { allow = [ \"$SIM_URL/echo/v1\" ]; };"
    sed -i 's/^schedule.*/schedule = "0 0 1 1 *";/' "$DIR/conf.d/tokens.conf"
    app one
}

forced() { # STORE [reload]: the jobs under way have been replaced before
    local s="$1, ${2:+reloaded, }forced stop" status id
    prepare "$1"
    start_ready || exit 1
    id=$(sql "select id from tokens where account = 'acct-1'")
    sim misbehave '{"mode":"delay","provider":"strict","ms":600000,"when":"before","count":-1}' > /dev/null
    sim misbehave '{"mode":"delay","provider":"echo","path":"*","ms":600000,"when":"before","count":-1}' > /dev/null
    sim misbehave '{"mode":"delay","provider":"facebook","ms":600000,"when":"before","count":-1}' > /dev/null
    sim mark '{}' > /dev/null
    get token "tokens/records/$id/token"
    get forward "tokens/records/$(sql "select id from tokens where account = 'live-1'")/forward/me"
    check "$s: a call is under way" wait_until 20 held_up echo 1
    ctl run tokens > /dev/null 2>&1 &
    check_equal "$s: an event is taken" 202 "$(event e-1 | post one)"
    check "$s: refreshes are under way" wait_until 20 held_up strict 4
    check "$s: and an event" wait_until 20 held_up facebook 1
    if [ $# = 2 ]; then
        sed -i 's/^schedule.*/schedule = "0 0 2 1 *";/' "$DIR"/conf.d/*.conf
        check "$s: the jobs are replaced" ctl reload
    fi
    kill -TERM "$RENEWD_PID"
    wait "$RENEWD_PID"
    status=$?
    RENEWD_PID=''
    check_equal "$s: it ends by itself" 0 "$status"
    check_match "$s: and says what it leaves" 'stopping while attempts are still under way' "$(cat "$DIR/renewd.all")"
    check "$s: who waits for a token is answered" wait_until 10 test -s "$DIR/token.status"
    sim misbehave '{"clear":true}' > /dev/null
    start_ready || exit 1
    check "$s: the next start knows what was sent" wait_until 20 ambiguous_is 4
    check "$s: and sends the event" come sent=1
    stop_renewd
}

once() { # STORE
    local s="$1, --once" pid status
    prepare "$1"
    sim misbehave '{"mode":"delay","provider":"strict","ms":600000,"when":"before","count":-1}' > /dev/null
    sim mark '{}' > /dev/null
    "$RENEWD" -c "$CONF" --once tokens >> "$DIR/renewd.all" 2>&1 &
    pid=$!
    check "$s: refreshes are under way" wait_until 20 held_up strict 4
    kill -TERM "$pid"
    wait "$pid"
    status=$?
    check_equal "$s: it ends by itself, and not well" 1 "$status"
}

ambiguous_is() { [ "$(history ambiguous)" = "$1" ]; }

for store in sqlite postgresql; do
    forced $store
    forced $store reload
    once $store
done
no_tokens_in_logs
finish
