#!/bin/bash
# SPDX-License-Identifier: MIT
# A job none of whose records was refreshed by its last asking is shown failing everywhere, with the count and what the
# provider said; a token endpoint that has moved is told with its new address.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"
. "$(dirname "$0")/breaker.sh"

jobs_say() { ctl jobs | grep -Eq "$1"; }

moved() {
    local s="$1, moved"
    make_world "$1" moved 4
    sim misbehave '{"mode":"status","provider":"strict","status":301,"count":-1,
        "headers":{"Location":"https://login.example.com/oauth/v2/token?client_secret=hush-secret&x=1"}}' > /dev/null
    start_ready || exit 1
    check "$s: jobs shows it failing" wait_until 30 jobs_say '^tokens +oauth2 +failing'
    check_match "$s: with the count and the new address" \
        'job tokens is failing: none of the 4 records .*redirect: .*HTTP 301.* redirects to https://login.example.com/oauth/v2/token; put that address' \
        "$(ctl jobs)"
    check_no_match "$s: without its query" 'client_secret=' "$(ctl jobs; ctl --json records tokens; cat "$DIR/renewd.all")"
    check_match "$s: status counts it" '1 failing' "$(ctl status)"
    check_match "$s: the API tells" '"failing_records":4' "$(ctl --json jobs)"
    check_match "$s: readyz says it" '"status":"failing","failing":\[\{"job":"tokens","records":4\}\]' \
        "$(curl -sS --unix-socket "$SOCKET" http://localhost/readyz)"
    check "$s: the log has one line of it" [ "$(grep -c 'level=error msg="job failing"' "$DIR/renewd.all")" = 1 ]
    nobody_was_told "$s"
    none_refused
    check "$s: it ends by itself" wait_until 60 jobs_say '^tokens +oauth2 +on'
    check_match "$s: readyz is well again" '"status":"ok"' "$(curl -sS --unix-socket "$SOCKET" http://localhost/readyz)"
    stop_renewd
}

# One of four is fine: the job is not failing.
one_is_fine() {
    local s="$1, one is fine" n
    make_world "$1" fine 4
    for n in 1 2 3; do sim revoke "{\"provider\":\"strict\",\"account\":\"fine-$n\"}" > /dev/null; done
    start_ready || exit 1
    check "$s: three are refused" wait_until 30 refused_are 3
    check "$s: and the job is on" jobs_say '^tokens +oauth2 +on'
    sql "delete from tokens where account = 'fine-4'"
    ctl run tokens > /dev/null 2>&1
    check "$s: its row is deleted: no record is left that was refreshed" wait_until 60 jobs_say '^tokens +oauth2 +failing'
    check_match "$s: which counts the others" 'none of the 3 records' "$(ctl jobs)"
    stop_renewd
}
refused_are() { [ "$(in_state 5)" = "$1" ] && [ "$(in_state 1)" = 1 ]; }

start_simulator
for store in ${STORES:-sqlite postgresql}; do
    moved $store
    one_is_fine $store
done
finish
