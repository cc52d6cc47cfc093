#!/bin/bash
# SPDX-License-Identifier: MIT
# Against an authorization server that is not ours: oidc-provider, with refresh tokens that may be used once and whose
# reuse revokes the grant, behind a gateway that answers 502 or 504 before it passes a request on, or when the server
# has answered. renewd's clock is moved; the server's is not. What lives and what is lost is the server's word: its
# store's, and its introspection endpoint's.
. "$(dirname "$0")/lib.sh"

COUNT=40
CLIENT_ID='app:1+%' # what a Basic header must have encoded (RFC 6749, 2.3.1), and the server decodes
export OIDC_SECRET='hush-%41 +&=:'
OIDC_PID='' OIDC_URL='' GATEWAY_URL=''
trap 'ended_with=$?; stop_process "$OIDC_PID"; (exit $ended_with); cleanup' EXIT

command -v node > /dev/null || left_out nodejs "nodejs is not installed"
if [ ! -d "$TOP/tests/oidc/node_modules/oidc-provider" ]; then
    command -v npm > /dev/null || left_out npm "npm is not installed"
    left_out none "oidc-provider is not installed: contrib/install-deps --tests does it, or says why npm cannot"
fi

# start_server post|basic: another one, which knows no grant.
start_server() {
    main_shell start_server || return 1
    local port gateway_port
    stop_process "$OIDC_PID"
    rm -f "$DIR/oidc.log" # the next one's, which the shell opens when it gets to it
    port=$(free_port) gateway_port=$(free_port)
    OIDC_URL=http://127.0.0.1:$port GATEWAY_URL=http://127.0.0.1:$gateway_port
    node "$TOP/tests/oidc/server.mjs" "$port" "$gateway_port" "$CLIENT_ID" "$1" > "$DIR/oidc.log" 2>&1 &
    OIDC_PID=$!
    wait_until 60 server_is_up_or_gone && server_is_up && return 0
    not_ok "oidc-provider starts" "$(cat "$DIR/oidc.log")"
    exit 1
}

server_is_up() { grep -q '^ready$' "$DIR/oidc.log"; }
server_is_up_or_gone() { ! kill -0 "$OIDC_PID" || server_is_up; }

oidc() { # ROUTE [BODY]
    curl -sS --fail-with-body --max-time 60 --data-binary "${2:-}" "$OIDC_URL/_test/$1"
}

# How many: made consumed refreshed refused revoked (the server's), presented most kept dropped (the gateway's).
counted() {
    oidc counts | json "\$.$1"
}

# begin STORE REPLAY post|basic: grants whose access tokens live a day; NOW is a time when they are due, END when
# those tokens end.
begin() {
    make_store "$1" || exit 1
    forget_renewd
    write_conf
    start_server "$3"
    make_accounts_table tokens
    oidc grants "{\"count\":$COUNT,\"prefix\":\"grant\"}" > "$DIR/accounts.tsv" && insert_accounts tokens || exit 1
    END=$(cut -f 4 "$DIR/accounts.tsv" | sort -n | tail -n 1)
    NOW=$((END - 43200))
    write_job tokens <<JOB
plugin = "oauth2";
schedule = [ "*/10 * * * *", "auto" ];
$(accounts_records tokens)
settings = { token_url = "$GATEWAY_URL/token"; client_id = "$CLIENT_ID"; client_secret = "env:OIDC_SECRET";
             client_auth = "$3"; };
refresh_before = "12h"; replay = "$2"; in_flight = 100;
JOB
}

once_at() { # TIME
    local status
    sql 'select access_token from tokens union select refresh_token from tokens' >> "$DIR/tokens.seen"
    run_at_time "$1" --once
    status=$?
    sql 'select access_token from tokens union select refresh_token from tokens' >> "$DIR/tokens.seen"
    return $status
}

# behind STATUS OF AFTER: of every OF accounts those numbered AFTER (0, 1, ...) reach the server, whose answer is lost.
behind() { oidc gateway "{\"status\":$1,\"of\":$2,\"after\":[$3]}" > /dev/null; }
answers_come() { oidc gateway null > /dev/null; }

records() { # COLUMNS
    sql "select distinct $1 from $(own records)"
}

accounts_in() { # STATE
    sql "select t.account from tokens t join $(own records) r on r.rkey = cast(t.id as text) where r.state = $1" | sort
}

# The server's word: accounts whose newest refresh token it would take, with that token; and those that are revoked.
living() { oidc truth | awk -F '\t' '$2 == "lives" && $3 != "-" { print $1 "\t" $3 }' | sort; }
revoked() { oidc truth | awk -F '\t' '$2 == "revoked" { print $1 }' | sort; }

# active COLUMN: accounts whose token of that column is active, as the introspection endpoint says.
active() {
    sql_tsv "select $1, account from tokens" | sort > "$DIR/introspect.in"
    oidc introspect "$(cut -f 1 "$DIR/introspect.in")" | sort | join -t $'\t' "$DIR/introspect.in" - |
        awk -F '\t' '$3 == "active" { print $2 }' | sort
}

# agrees NAME LIVING: so many are ok, with the server's own newest token; all others are revoked, and said so.
agrees() {
    check_equal "$1: the server says how many live" "$2 $((COUNT - $2))" "$(living | wc -l) $(revoked | wc -l)"
    check_equal "$1: those are ok, and no other" "$(living | cut -f 1)" "$(accounts_in 1)"
    check_equal "$1: those that are revoked are reconnect" "$(revoked)" "$(accounts_in 4)"
    check_equal "$1: their rows hold the server's newest tokens" "$(living)" \
        "$(sql_tsv "select t.account, t.refresh_token from tokens t join $(own records) r on r.rkey = cast(t.id as text)
            where r.state = 1" | sort)"
    check_equal "$1: introspection calls those refresh tokens active, and no other" "$(accounts_in 1)" "$(active refresh_token)"
    check_equal "$1: and their access tokens" "$(accounts_in 1)" "$(active access_token)"
}

rotation() { # STORE AUTH
    local s="$1, rotation" round
    begin "$1" single_use "$2"
    for round in 1 2 3; do
        check "$s: round $round" once_at $((NOW + (round - 1) * 50000))
        check_equal "$s: each was presented once" "$((COUNT * round)) 1" "$(counted presented) $(counted most)"
    done
    check_equal "$s: the server rotated each, and refused none" "$((COUNT * 3)) $((COUNT * 3)) 0 0" \
        "$(counted consumed) $(counted refreshed) $(counted refused) $(counted revoked)"
    agrees "$s" $COUNT
}

# The first try meets an outage: the server takes half of the requests behind the 502. While it goes on it would take
# the other half.
outage() { # STORE REPLAY AUTH
    begin "$1" "$2" "$3"
    behind 502 2 0
    once_at $NOW
}

single_use() { # STORE AUTH
    local s="$1, half behind a 502" half=$((COUNT / 2)) at
    outage "$1" single_use "$2"
    check_equal "$s: half of the answers are lost, half of the requests" "$COUNT $half $half $half" \
        "$(counted presented) $(counted dropped) $(counted kept) $(counted consumed)"
    check_equal "$s: all are ambiguous until five minutes before the end" "6|gateway|$((END - 300))|1" \
        "$(records 'state, last_code, not_before, attempts')"
    check_equal "$s: so are the attempts" "$COUNT" "$(sql "select count(*) from $(own attempts) where outcome = 'ambiguous'")"
    check_match "$s: the row says what answered" '^gateway: a gateway answered instead of the provider; .*may have processed' \
        "$(sql 'select distinct last_error from tokens')"
    behind 502 2 1
    for at in 60 600 3600 40000; do
        once_at $((NOW + at))
    done
    check_equal "$s: nothing is presented meanwhile" "$COUNT 1" "$(counted presented) $(counted most)"
    check_equal "$s: the access tokens that stay are active" $COUNT "$(active access_token | wc -l)"
    echo "# $s: $(counted consumed) of $COUNT taken, $(counted presented) presentations during the outage"
}

# The last safe moment meets 504 before the server: no end. Then the server itself answers.
last_try() { # STORE AUTH
    local s="$1, the last try"
    single_use "$1" "$2"
    behind 504 1 ''
    check_fails "$s: a 504" once_at $((END - 300))
    check_equal "$s: is no end" "2|gateway $((2 * COUNT))" "$(records 'state, last_code') $(counted presented)"
    answers_come
    check_fails "$s: the server answers" once_at $((END + 7200))
    check_equal "$s: each was presented a third time" "$((3 * COUNT)) 3" "$(counted presented) $(counted most)"
    check_equal "$s: who was taken is refused, and its grant is revoked" "$((COUNT / 2)) $((COUNT / 2))" \
        "$(counted refused) $(counted revoked)"
    agrees "$s" $((COUNT / 2))
    once_at $((END + 14400))
    check_equal "$s: the dead are not presented again" $((3 * COUNT)) "$(counted presented)"
    echo "# $s: $(living | wc -l) of $COUNT live"
}

# At the last safe moment too the server takes half behind the 504, of the living and of the spent. renewd doubts
# refusals here (rule 10): it withholds verdicts until other grants have been refreshed, without another presentation.
last_try_taken() { # STORE AUTH
    local s="$1, the last try is taken behind a 504" DOUBT=1 at
    single_use "$1" "$2"
    behind 504 4 0,1
    once_at $((END - 300))
    check_equal "$s: nobody knows of any" "2|gateway" "$(records 'state, last_code')"
    check_equal "$s: a quarter was taken, a quarter revoked" "$((COUNT * 3 / 4)) $((COUNT / 4))" \
        "$(counted consumed) $(counted revoked)"
    answers_come
    check_fails "$s: the server answers" once_at $((END + 7200))
    check_equal "$s: those that live are ok, and no other" "$((COUNT / 4)) $(living | cut -f 1)" \
        "$(living | wc -l) $(accounts_in 1)"
    for at in 93600 93660 93720; do # those that live are due again, and bear witness
        once_at $((END + at))
    done
    check_equal "$s: no spent one was presented again" 3 "$(counted most)"
    agrees "$s" $((COUNT / 4))
    echo "# $s: $(living | wc -l) of $COUNT live"
}

# The other choice: as if a 502 were a fault that passes.
safe() { # STORE AUTH
    local s="$1, repeated during the outage"
    outage "$1" safe "$2"
    behind 502 2 1
    once_at $((NOW + 60))
    check_equal "$s: all were presented twice" $((2 * COUNT)) "$(counted presented)"
    answers_come
    once_at $((NOW + 14400))
    agrees "$s" 0
    echo "# $s: $(living | wc -l) of $COUNT live"
}

rotation sqlite basic
rotation postgresql post
last_try sqlite post
last_try postgresql basic
last_try_taken postgresql post
safe sqlite basic
no_tokens_in_logs
check_equal "no token of the server's in any output" 0 \
    "$(sort -u "$DIR/tokens.seen" | grep . | grep -cFf - "$DIR/renewd.all")"
finish
