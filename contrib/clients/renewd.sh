#!/bin/sh
# SPDX-License-Identifier: MIT
# How a shell script asks renewd for tokens, calls a provider and hands events in. Needs curl and sed.
#
#   renewd.sh token JOB ID [SECONDS]      prints an access token that lives for at least so long (300)
#   renewd.sh get JOB ID URL              calls the provider with the token, and once more with a newer one when
#                                         the provider refuses it
#   renewd.sh forward JOB ID PATH         has renewd make the call
#   renewd.sh events JOB ID FILE          hands events in, JSON as the provider wants them
#
# RENEWD_SOCKET: over the socket (root, renewd's own user, those of token_users); else RENEWD_URL, by default
# http://127.0.0.1:8642, with the client's secret in the file RENEWD_SECRET_FILE. No secret and no token is an
# argument of any process: curl reads them. Exit status: 0; 1 failed; 3 only a person can help; 75 try again later.
set -eu
umask 077
url=${RENEWD_URL:-http://127.0.0.1:8642}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
tries=4

if [ -n "${RENEWD_SOCKET:-}" ]; then
    printf 'unix-socket = "%s"\n' "$RENEWD_SOCKET" > "$dir/door"
    url=http://localhost
else
    secret=$(cat "$RENEWD_SECRET_FILE")
    printf 'header = "Authorization: Bearer %s"\n' "$secret" > "$dir/door"
fi

# member NAME: of a flat JSON object in $dir/answer; texts of tokens, URLs and codes hold no escapes.
member() {
    sed -n -e "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" -e t -e "s/.*\"$1\":\([^\",}]*\).*/\1/p" "$dir/answer" | head -n 1
}
header() { tr -d '\r' < "$dir/headers" | sed -n "s/^$1: *//Ip" | tail -n 1; }

# ask PATH [CURL OPTION...]: leaves answer, headers and status; waits where renewd says so.
ask() {
    path=$1
    shift
    while :; do
        status=$(curl -sS --max-time 60 -K "$dir/door" -o "$dir/answer" -D "$dir/headers" -w '%{http_code}' "$@" "$url$path")
        case $status in 429 | 503) ;; *) return ;; esac
        tries=$((tries - 1))
        wait=$(header Retry-After)
        case $wait in '' | *[!0-9]*) wait=1 ;; esac # a provider may have said none, or a date
        if [ $tries -le 0 ] || [ "$wait" -gt 60 ]; then
            echo "later: $(member message)" >&2
            exit 75
        fi
        sleep "$wait"
    done
}

# What is no success ends here. 409: the account's owner has to do something.
must_be() {
    [ "$status" != "$1" ] || return 0
    if [ "$status" = 409 ]; then
        url=$(member reconnect_url)
        [ "$url" != null ] || url=
        echo "renewd cannot refresh this record by itself: $(member message)${url:+; connect the account again at $url}" >&2
        exit 3
    fi
    echo "renewd answered $status: $(member message)" >&2
    exit 1
}

token() { # JOB ID SECONDS
    ask "/v1/jobs/$1/records/$2/token?min_valid=$3"
    must_be 200
}

provider() { # URL: with the token of the last answer
    printf 'header = "Authorization: Bearer %s"\n' "$(member access_token)" > "$dir/token"
    generation=$(member generation)
    status=$(curl -sS --max-time 60 -K "$dir/token" -o "$dir/body" -w '%{http_code}' "$1")
}

# A text as JSON has it; control characters become blanks.
quoted() { tr '\000-\037' ' ' < "$1" | head -c 4096 | sed 's/[\\"]/\\&/g'; }

get() { # JOB ID URL
    token "$1" "$2" 300
    provider "$3"
    if [ "$status" = 401 ]; then
        printf '{"generation":%s,"status":%s,"body":"%s"}' "$generation" "$status" "$(quoted "$dir/body")" > "$dir/refusal"
        ask "/v1/jobs/$1/records/$2/refused" -H 'Content-Type: application/json' --data-binary "@$dir/refusal"
        must_be 200
        [ "$(member token_refused)" != true ] || provider "$3"
    fi
    cat "$dir/body"
    case $status in 2??) ;; *) exit 1 ;; esac
}

case "${1:-} $#" in
    'token 3' | 'token 4') token "$2" "$3" "${4:-300}"; member access_token ;;
    'get 4') get "$2" "$3" "$4" ;;
    'forward 4')
        ask "/v1/jobs/$2/records/$3/forward/$4"
        [ -z "$(header Renewd-Error)" ] || must_be 200
        cat "$dir/answer" ;;
    'events 4')
        ask "/v1/jobs/$2/records/$3/events" -H 'Content-Type: application/json' --data-binary "@$4"
        must_be 202
        cat "$dir/answer" ;;
    *) sed -n '3,12s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
