#!/bin/bash
# SPDX-License-Identifier: MIT
# The owner of a record that stands in another table, as records.owner says with via, table, key and column:
# in the list, on the command line, for a refresh of all that belongs to one. Both stores.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"

owner_job() { # OWNER GROUP [JOB]
    strict_job "${2:-page}" '' 'rescan = "1s";' client-1 post "
records = { table = \"Page\"; key = \"id\"; sealed = \"none\";
    columns = { access_token = \"accessToken\"; refresh_token = \"refreshToken\"; expires_at = \"expiresAt\"; };
    owner = $1; };"
}

page() { # ID APP-ID ACCOUNT-LINE
    local access refresh
    access=$(sed -n "$3p" "$DIR/accounts.tsv" | cut -f 2) refresh=$(sed -n "$3p" "$DIR/accounts.tsv" | cut -f 3)
    sql "insert into \"Page\" (id, \"appId\", \"accessToken\", \"refreshToken\") values
         ('$1', $2, '$access', '$refresh')"
}

owners() { # as the command shows them: "id owner", one a line
    ctl --json records page > "$DIR/records.json" &&
        sqlite3 -batch -noheader -separator ' ' :memory: "
            select json_extract(value, '\$.id'), coalesce(json_extract(value, '\$.owner'), '-')
            from json_each(cast(readfile('$DIR/records.json') as text), '\$.records') order by 1" |
        tr '\n' ' '
}

owners_are() {
    [ "$(owners)" = "$1" ]
}

generation_of() {
    sql "select generation from $(own records) where rkey = '$1'"
}

refused() { # STORE NAME OWNER PATTERN
    owner_job "$3"
    run_renewd --once
    check_match "$1: $2" "$4" "$(cat "$DIR/renewd.log")"
}

sentences() { # STORE: names that do not fit hold the job, with what is wrong
    local s=$1 good='via = "appId"; table = "App"; key = "id"'
    refused "$s" "no such table" '{ via = "appId"; table = "Nowhere"; key = "id"; column = "userId"; }' \
        'owner: there is no table Nowhere'
    refused "$s" "no such column" "{ $good; column = \"user\"; }" 'table.*App.*has no column.*user.*owner: column'
    refused "$s" "no such key" '{ via = "appId"; table = "App"; key = "nokey"; column = "userId"; }' 'owner: key'
    refused "$s" "no such via" '{ via = "noapp"; table = "App"; key = "id"; column = "userId"; }' 'owner: via'
    refused "$s" "no such mail address" "{ $good; column = \"userId\"; email = \"mail\"; }" \
        'has no column.*mail.*email, name or language'
    refused "$s" "a key without index" '{ via = "appId"; table = "App"; key = "name"; column = "userId"; }' \
        'name.*looked up for every record and has no unique index'
    [ "$s" = sqlite ] ||
        refused "$s" "another case" "{ $good; column = \"userid\"; }" 'there is .*userId.*case counts'
}

through_store() { # STORE
    local s=$1 before
    stage "$s"
    sim 'accounts?format=tsv' '{"provider":"strict","count":4,"prefix":"page","age":10800}' > "$DIR/accounts.tsv"
    sql 'create table "App" (id text primary key, "userId" text, name text, "appId" text)'
    sql "create table \"Page\" (id text primary key, \"appId\" text, \"accessToken\" text, \"refreshToken\" text,
         \"expiresAt\" $([ "$s" = sqlite ] && echo integer || echo timestamptz))"
    # App has a column of the name of via, too: it must not be taken for it.
    sql "insert into \"App\" (id, \"userId\", name, \"appId\") values
         ('a1', 'U1', 'one', 'x'), ('a2', 'U2', 'two', 'x'), ('x', 'wrong', 'x', 'x')"
    page p1 "'a1'" 1
    page p2 "'a2'" 2
    page p3 null 3
    page p4 "'gone'" 4
    sentences "$s"
    owner_job '{ via = "appId"; table = "App"; key = "id"; column = "userId"; name = "name"; }'
    start_ready || exit 1
    check "$s: owners are those of the other table, none where there is none" \
        wait_until 20 owners_are 'p1 U1 p2 U2 p3 - p4 - '
    check "$s: all are refreshed at their time" wait_until 20 all_fresh
    check_equal "$s: and keep their owners over it" 'p1 U1 p2 U2 p3 - p4 - ' "$(owners)"
    check_match "$s: renewctl records shows them" 'p1.*U1' "$(ctl records page)"
    sql "update \"App\" set \"userId\" = 'U2' where id = 'a1'"
    check "$s: a change in the other table is noticed" wait_until 20 owners_are 'p1 U2 p2 U2 p3 - p4 - '
    sql "update \"App\" set \"userId\" = 'U1' where id = 'a1'"
    check "$s: and back" wait_until 20 owners_are 'p1 U1 p2 U2 p3 - p4 - '

    before=$(generation_of p1)
    curl -sS --unix-socket "$SOCKET" -X POST -H 'Content-Type: application/json' -d '{"owner":"U2"}' \
        http://localhost/v1/jobs/page/refresh > "$DIR/reply.json"
    check_match "$s: a refresh by owner" '"refreshed": *1' "$(cat "$DIR/reply.json")"
    check_equal "$s: refreshes that owner's alone" "$before $((before + 1))" \
        "$(generation_of p1) $(generation_of p2)"
    stop_renewd

    owner_job '{ via = "appId"; table = "App"; key = "id"; name = "name"; }'
    start_ready || exit 1
    check "$s: without column the owner is what via holds" wait_until 20 owners_are 'p1 a1 p2 a2 p3 - p4 gone '
    stop_renewd
    check_equal "$s: no reuse" 0 "$(strict_sum reuse)"
}

all_fresh() {
    [ "$(sql "select count(*) from $(own records) where generation = 1 and state = 1")" = 4 ]
}

start_simulator
for store in sqlite postgresql; do
    through_store "$store"
done
no_tokens_in_logs
finish
