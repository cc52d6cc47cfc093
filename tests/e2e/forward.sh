# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What the tests of forwarded calls share, beside lib.sh and strict.sh: a job that forwards to the simulator's
# echo, calls through it, what arrived there, tokens that are dead before their time.

HOST='' # of the simulator, with its port

# forward_job JOB TABLE [FORWARD [MORE]]: nothing is refreshed by itself
forward_job() {
    strict_job "$1" "$2" "forward = { ${3:-allow = [ \"$SIM_URL/echo/v1\" ];} }; ${4:-}"
    sed -i 's/^schedule.*/schedule = "0 0 1 1 *";/' "$DIR/conf.d/$1.conf"
}

forward_stage() { # STORE
    stage "$1"
    rm -rf "$DIR/state2"
    HOST=${SIM_URL#*://}
    make_accounts_table tokens
    load_accounts strict tokens 9 acct '"age":60'
}

id_of() { sql "select id from ${2:-tokens} where account = '$1'"; }

# kill_token ACCOUNT [TABLE [PROVIDER]]: its access token dies at the provider, and renewd does not know.
kill_token() {
    local token
    token=$(sql "select access_token from ${2:-tokens} where account = '$1'")
    sim kill "{\"token\":\"$token\"}" > /dev/null
}

# call PATH [CURL OPTION...]: prints the status, leaves answer and headers. PATH begins with the record's id.
call() {
    local path=$1
    shift
    curl -sS --path-as-is -o "$DIR/answer" -D "$DIR/headers" -w '%{http_code}' --max-time 60 --unix-socket "$SOCKET" "$@" \
        "http://localhost/v1/jobs/${JOB:-tokens}/records/$path"
}

seen() { json "\$.$1" < "$DIR/answer"; }  # by the provider, or of an error
header() { grep -i "^$1:" "$DIR/headers" | tr -d '\r' | sed 's/^[^:]*: *//'; }

arrived() { sim_count echo requests; }
