#!/bin/bash
# SPDX-License-Identifier: MIT
# Nothing that callers send or leave unread makes renewd's memory grow past its limits, at either door: headers
# that do not end, bodies that stop before their last byte, chunks without end, requests one after the other whose
# answers nobody reads, large answers unread, thousands of records asked for, secrets that are tried. The bound is
# computed from the limits; meanwhile the other door answers, and afterwards this one.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"

CROWD=$BUILD/tests/e2e/crowd
export APP_SECRET=hush-app-0123456789
PORT=$(free_port)
MANY=540 RECORDS=12000

# KiB, from what core/http/server/*.c states: 512 connections with 16 KiB of headers, a body or an answer
# up to 16 KiB, and what libmicrohttpd, the call and the route keep of each; 64 MiB of all larger bodies and answers;
# one largest body being copied, or one answer being written; what the allocator keeps between them.
DOOR_KB=$((512 * (16 + 16 + 8) + 64 * 1024 + 4 * 1024 + 16 * 1024))
# Of 10,000 tokens: the entry, its name, its texts.
TOKENS_KB=$((10000 * 3 / 2))
# What may seem to be left behind by what leaves nothing.
LEFT_KB=$((TOKENS_KB / 10))
# AddressSanitizer keeps what was freed, and pads what was not; what is left behind it tells itself.
if grep -aq __asan_init "$RENEWD"; then
    ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}quarantine_size_mb=8:malloc_context_size=1
    export ASAN_OPTIONS
    DOOR_KB=$((DOOR_KB * 3)) TOKENS_KB=$((TOKENS_KB * 4)) LEFT_KB=$((24 * 1024))
fi

prepare() {
    stage sqlite
    sed -i '/^api = /d' "$CONF"
    cat >> "$CONF" <<CONF
api = { socket = "$SOCKET"; listen = "127.0.0.1:$PORT";
        clients = ( { name = "app"; secret = "env:APP_SECRET"; jobs = [ "*" ]; allow = [ "read", "token", "operate" ]; } ); };
CONF
    make_accounts_table tokens
    load_accounts strict tokens $RECORDS an-account-with-a-name-that-is-a-little-longer '"age":60'
    strict_job tokens tokens
    sed -i 's/^schedule.*/schedule = "0 0 1 1 *";/' "$DIR/conf.d/tokens.conf"
    (umask 077
     printf 'Authorization: Bearer %s\r\n' "$APP_SECRET" > "$DIR/right"
     printf 'Authorization: Bearer hush-guess\r\n' > "$DIR/wrong")
    mkfifo "$DIR/stay"
}

memory_kb() { awk -v name="$1:" '$1 == name { print $2 }' "/proc/$RENEWD_PID/status"; }
forget_peak() { echo 5 2> /dev/null > "/proc/$RENEWD_PID/clear_refs" || true; } # root may

# What both doors are asked for, the operator's without a secret.
answers() { # socket|tcp
    local where=(--unix-socket "$SOCKET") url=http://localhost
    [ "$1" = socket ] || where=(-H "@$DIR/right") url=http://127.0.0.1:$PORT
    curl -sSf -o /dev/null --max-time 30 "${where[@]}" "$url/healthz"
}

address() { if [ "$1" = socket ]; then echo "unix:$SOCKET"; else echo "$PORT"; fi; }
other() { if [ "$1" = socket ]; then echo tcp; else echo socket; fi; }

# crowd DOOR COUNT WAY [HEADERS [TARGET]]: they come, the other door answers, they go, this one answers.
crowd() {
    local s="$1, $2 times $3${4:+ (${4##*/})}" peak
    forget_peak
    "$CROWD" "$(address "$1")" "$2" "$3" "${4:-}" ${5:+"$5"} < "$DIR/stay" > "$DIR/crowd.out" &
    local pid=$!
    exec 9> "$DIR/stay"
    check "$s: all have sent what they could" wait_until 120 grep -q '^ready' "$DIR/crowd.out"
    check "$s: meanwhile the other door answers" wait_until 60 answers "$(other "$1")"
    peak=$(memory_kb VmHWM)
    exec 9>&-
    wait $pid
    check "$s: memory stays below $BOUND_KB KiB" test "$peak" -le "$BOUND_KB"
    check "$s: when they are gone, this door answers" wait_until 60 answers "$1"
    echo "# $s: $(cat "$DIR/crowd.out"); $peak KiB at most, $(memory_kb VmRSS) after"
}

load_all() { # FROM TO: these records' tokens
    sql "select '/v1/jobs/tokens/records/' || id || '/token?min_valid=60' from tokens where id between $1 and $2" |
        while read -r path; do printf 'url = "http://localhost%s"\noutput = "/dev/null"\n' "$path"; done > "$DIR/urls"
    curl -sSf --max-time 300 --unix-socket "$SOCKET" -K "$DIR/urls"
}

many_records() {
    local before full after
    check "many records: the first" load_all 1 100
    before=$(memory_kb VmRSS)
    check "many records: 10,000 of them" load_all 101 10000
    full=$(memory_kb VmRSS)
    check "many records: 2,000 more" load_all 10001 $RECORDS
    after=$(memory_kb VmRSS)
    check "many records: their memory has its bound" test $((full - before)) -le $TOKENS_KB
    check "many records: and more take no more" test $((after - full)) -le $LEFT_KB
    check_equal "many records: nothing was refreshed" 0 "$(sim_count strict requests)"
    echo "# many records: $before KiB, $full KiB with 10,000, $after KiB with $RECORDS"
    # Paths that name nothing leave nothing behind.
    for i in $(seq 3000); do
        printf 'url = "http://localhost/v1/jobs/tokens/records/nobody-%s/token"\noutput = "/dev/null"\n' "$i"
        printf 'url = "http://localhost/v1/jobs/nothing-%s/records"\noutput = "/dev/null"\n' "$i"
    done > "$DIR/urls"
    check "many names: of nobody" curl -sS --max-time 300 --unix-socket "$SOCKET" -K "$DIR/urls"
    check "many names: leave nothing" test $(($(memory_kb VmRSS) - after)) -le $LEFT_KB
}

# A query of more members than there is memory for: the connection ends at once, and nothing stays.
many_members() {
    local members before i
    members=$(seq -s '&' 2000)
    for i in $(seq 50); do printf 'url = "http://localhost/v1/jobs?%s"\noutput = "/dev/null"\n' "$members"; done > "$DIR/urls"
    check_fails "many members: are not read" curl -sS --max-time 20 --unix-socket "$SOCKET" "http://localhost/v1/jobs?$members"
    before=$(memory_kb VmRSS)
    for i in $(seq 20); do curl -s --max-time 120 --unix-socket "$SOCKET" -K "$DIR/urls"; done
    check "many members: leave nothing" test $(($(memory_kb VmRSS) - before)) -le $LEFT_KB
    echo "# many members: $before KiB before, $(memory_kb VmRSS) after a thousand of them"
}

large_body_is_read() {
    [ "$(head -c 1000000 /dev/zero | tr '\0' ' ' | curl -sS -o "$DIR/answer" -w '%{http_code}' --max-time 30 \
        -H 'Content-Type: application/json' -H "@$DIR/right" --data-binary @- \
        "http://127.0.0.1:$PORT/v1/jobs/nothing/refresh")" = 404 ]
}

start_simulator
prepare
start_ready || { tail -5 "$DIR/renewd.all"; exit 1; }
many_records
many_members
BOUND_KB=$(($(memory_kb VmRSS) + DOOR_KB))
LIST=/v1/jobs/tokens/records?limit=1000
for door in socket tcp; do
    crowd $door $MANY head
    crowd $door 8 chunked "$DIR/right" /v1/jobs/tokens/refresh
    crowd $door 100 pipeline "$DIR/right" "/v1/jobs/tokens/records?limit=100"
    crowd $door $MANY unread "$DIR/right" "$LIST"
done
crowd socket $MANY body "" /v1/jobs/tokens/refresh
crowd tcp $MANY body "$DIR/wrong" /v1/jobs/tokens/refresh
crowd tcp 64 ask "$DIR/wrong" /v1/jobs
check "a large body has room again" wait_until 60 large_body_is_read
stop_renewd
no_tokens_in_logs
finish
