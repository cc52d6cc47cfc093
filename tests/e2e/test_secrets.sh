#!/bin/bash
# SPDX-License-Identifier: MIT
# Secrets in files: a changed one is taken by its job alone while the daemon runs; an empty or unreadable one leaves the
# old in force, with a warning; what is odd about a value is in the status, the value never.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/bad.sh"

secret_file() { # VALUE: as tools that rotate secrets do, by another file under the same name
    printf '%s' "$1" > "$DIR/client.secret.new" && chmod 600 "$DIR/client.secret.new" && mv "$DIR/client.secret.new" "$DIR/client.secret"
}

client() { # SECRET: the provider's own
    sim clients "{\"provider\":\"google\",\"client_id\":\"client-1\",\"client_secret\":\"$1\"}" > /dev/null
}

taken() { # HOW OFTEN
    [ "$(grep -c 'a secret changed; the job goes on' "$DIR/renewd.all")" = "$1" ]
}

refreshes() { # its own schedule may be quicker
    healthy_again
    ctl refresh healthy 1
}

changed() {
    healthy
    make_accounts_table other
    load_accounts google other 1 other-
    google_job other other
    sed -i "s,env:TEST_SECRET,file:$DIR/client.secret," "$DIR/conf.d/healthy.conf"
    secret_file "$TEST_SECRET
"
    start_renewd
    check "$STORE: with the first secret" wait_until 20 compare_truth google healthy well-
    client hush-second
    secret_file $'hush-second\r\n'
    check "$STORE: a changed file is read again by itself" wait_until 60 taken 1
    check_match "$STORE: the job says so, by name" 'a secret changed.*job=healthy' "$(cat "$DIR/renewd.all")"
    check "$STORE: and the new secret is presented" wait_until 20 refreshes
    check_equal "$STORE: the other job was left alone" 1 "$(grep -c 'records discovered.*job=other' "$DIR/renewd.all")"
    if [ "$STORE" = postgresql ]; then # from here on the store has no part in it
        stop_renewd
        return 0
    fi
    : > "$DIR/client.secret"
    check "$STORE: an empty file: a warning" wait_until 60 \
        grep -q "value read before stays in use.*job=healthy.*client.secret is not set: the file is empty" "$DIR/renewd.all"
    check_match "$STORE: and in the status" 'warning.*client.secret is not set: the file is empty' "$(ctl status)"
    check "$STORE: the old value stays" wait_until 20 refreshes
    rm "$DIR/client.secret"
    check "$STORE: a file that is gone: a warning" wait_until 60 grep -q 'in use.*there is no such file' "$DIR/renewd.all"
    echo '# a word' >> "$DIR/conf.d/healthy.conf"
    client hush-third
    secret_file '"hush-third"'
    check "$STORE: a job's own file that changed beside it waits for a reload" wait_until 60 \
        grep -q "in use.*the job's own file changed as well" "$DIR/renewd.all"
    check "$STORE: which takes both" ctl reload
    check_match "$STORE: quotes are in the status, by name" 'warning.*client.secret stands in quotes' "$(ctl status)"
    secret_file 'hush-third'
    check "$STORE: and once they are off" wait_until 60 taken 2
    check "$STORE: it goes on" wait_until 20 refreshes
    check_no_match "$STORE: no value anywhere" 'hush-(second|third)' "$(cat "$DIR/renewd.all"; ctl --json status)"
    stop_renewd
}

# A client's secret that can be guessed: the client and the file are named, the value never.
weak_clients() {
    local said='renewd\.conf:[0-9]+: the secret of client .?%s.? \(env:%s\) can be guessed.*renewctl keygen'
    export SHORT_SECRET=hush-short FLAT_SECRET=hhhhhhhhhhhhuuuuuuuuuuuu GOOD_SECRET=hush-0123456789abcdef
    stage sqlite
    sed -i "s/^api = .*/api = { socket = \"${SOCKET//\//\\/}\"; clients = ( $(one_client shop SHORT_SECRET), \
        $(one_client flat FLAT_SECRET), $(one_client good GOOD_SECRET) ); };/" "$CONF"
    run_renewd --check
    check_equal "weak secrets of clients: --check: 0" 0 $?
    check_match "a short one is named" "^warning: .*$(printf "$said" shop SHORT_SECRET)" "$(cat "$DIR/renewd.log")"
    check_match "one of few different characters" "^warning: .*$(printf "$said" flat FLAT_SECRET)" "$(cat "$DIR/renewd.log")"
    check_no_match "a good one is not" "client 'good'" "$(cat "$DIR/renewd.log")"
    start_renewd
    check_match "the start says it" "level=warning msg=.*$(printf "$said" shop SHORT_SECRET)" "$(cat "$DIR/renewd.all")"
    check_match "and status" "^warning: +.*$(printf "$said" flat FLAT_SECRET)" "$(ctl status)"
    check_no_match "no value anywhere" 'hush-short|hhhhhhhh' "$(cat "$DIR/renewd.all" "$DIR/renewd.log"; ctl --json status)"
    stop_renewd
}
one_client() { echo "{ name = \"$1\"; secret = \"env:$2\"; jobs = [ \"*\" ]; allow = [ \"read\" ]; }"; }

start_simulator
weak_clients
for s in sqlite postgresql; do
    stage $s
    [ ! -f "$DIR/renewd.all" ] || mv "$DIR/renewd.all" "$DIR/before.out"
    changed
done
no_tokens_in_logs
finish
