#!/bin/bash
# SPDX-License-Identifier: MIT
# Records whose keys are of every kind a text column takes, on both stores: each is shown, explained, refreshed, handed out,
# forwarded, and takes events and webhooks.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"
. "$(dirname "$0")/graph.sh"
. "$(dirname "$0")/events.sh"

start_simulator
KEYS=(a/b .. . ... a%2Fb 50% 'with blank' 'ü/ñ 漢' 'a?b#c&d' 'a:b' '~' "O'Brien" '/' '//' 'a/../b' '%' '+1')

# encoded TEXT: as one segment of a path, every byte.
encoded() { printf '%s' "$1" | od -An -v -tx1 | tr -d '\n' | tr ' ' '%'; }
quoted() { printf "'%s'" "${1//\'/\'\'}"; }

ask() { # KEY REST [CURL OPTION...]: prints the status
    curl -sS --path-as-is -o "$DIR/answer" -w '%{http_code}' --max-time 30 --unix-socket "$SOCKET" "${@:3}" \
        "http://localhost/v1/jobs/tokens/records/$(encoded "$1")$2"
}

prepare() { # STORE
    stage "$1"
    make_accounts_table tokens
    sql 'alter table tokens add column k text'
    sql 'create unique index tokens_k on tokens (k)'
    load_accounts strict tokens ${#KEYS[@]} acct '"age":60'
    local i
    for ((i = 0; i < ${#KEYS[@]}; i++)); do
        sql "update tokens set k = $(quoted "${KEYS[i]}") where account = 'acct-$((i + 1))'"
    done
    strict_job tokens tokens "forward = { allow = [ \"$SIM_URL/echo/v1\" ]; };"
    sed -i -e 's/^schedule.*/schedule = "0 0 1 1 *";/' -e 's/key = "id"/key = "k"/' "$DIR/conf.d/tokens.conf"
}

keys() { # STORE
    local s key
    prepare "$1"
    start_ready || exit 1
    for key in "${KEYS[@]}"; do
        s="$1, key [$key]"
        check_equal "$s: shown" "$key" "$(ctl --json show tokens "$key" | json '$.id')"
        check_match "$s: explained" 'the next run takes it' "$(ctl explain tokens "$key")"
        check "$s: refreshed" ctl refresh tokens "$key"
        check_equal "$s: its token" "$(sql "select access_token from tokens where k = $(quoted "$key")")" "$(ctl token tokens "$key")"
        check_equal "$s: by path" "200 $key" "$(ask "$key" '') $(json '$.id' < "$DIR/answer")"
        check_equal "$s: forwarded" 200 "$(ask "$key" /forward/me)"
    done
    check_equal "$1: each was refreshed once" ${#KEYS[@]} "$(sim_count strict presented)"
    check_equal "$1: a step of the path is none of them" 400 \
        "$(curl -sS --path-as-is -o /dev/null -w '%{http_code}' --unix-socket "$SOCKET" http://localhost/v1/jobs/tokens/records/../token)"
    stop_renewd
}

events_of() { # STORE
    local s="$1, events" key='shop/a b%'
    export HOOK_SECRET=hush-hook
    events_stage "$1" 'webhooks = { secrets = [ "env:HOOK_SECRET" ]; };'
    app "$key" px-1
    start_ready || exit 1
    check_equal "$s: are taken" 202 "$(event e-1 | post "$(encoded "$key")")"
    check "$s: and sent" come sent=1
    check_equal "$s: a webhook finds its record's door" 401 \
        "$(curl -sS -o "$DIR/answer" -w '%{http_code}' --unix-socket "$SOCKET" -d '{}' \
            "http://localhost/webhooks/shopify/meta/$(encoded "$key")")"
    stop_renewd
}

for store in sqlite postgresql; do
    keys $store
    events_of $store
done
no_tokens_in_logs
finish
