#!/bin/bash
# SPDX-License-Identifier: MIT
# What stands in the application's tables about an account that was connected again, on both stores: renewd takes back
# what it had written, once, however it notices, and nothing that the application wrote itself. `also` columns and a
# status column that several records write tell of all of them.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"

bool() { if [ "$STORE" = postgresql ]; then echo boolean; else echo integer; fi; }
no() { if [ "$STORE" = postgresql ]; then echo false; else echo 0; fi; }

# records_of TABLE [ACCESS REFRESH EXPIRES]: owner_id in the row leads to owners.warned.
records_of() {
    printf '%s' "records = { table = \"$1\"; key = \"id\"; sealed = \"none\";
        columns = { account = \"account\"; access_token = \"${2:-access_token}\"; refresh_token = \"${3:-refresh_token}\";
                    expires_at = \"${4:-expires_at}\"; refreshed_at = \"refreshed_at\"; last_error = \"last_error\";
                    status = \"status\"; strikes = \"strikes\"; };
        status_values = { ok = \"active\"; reconnect = \"expired\"; retrying = \"error\"; }; };
        also = ( { table = \"owners\"; key = \"id\"; from = \"owner_id\"; on_reconnect = { warned = true; };
                   on_ok = { warned = false; }; } );"
}

job_of() { # TABLE [ACCESS REFRESH EXPIRES [JOB]]
    strict_job "${5:-$1}" "$1" '' client-1 post "$(records_of "$@")"
    sed -i 's/^schedule.*/schedule = "auto";/' "$DIR/conf.d/${5:-$1}.conf"
}

# Every account of the table belongs to owner 1; its grants are dead.
prepare() { # STORE TABLE COUNT
    make_accounts_table "$2"
    sql "alter table $2 add column owner_id text not null default '1'"
    sql "alter table $2 add column strikes integer not null default 0"
    load_accounts strict "$2" "$3" "$2" || exit 1
    job_of "$2"
    local i
    for ((i = 1; i <= $3; i++)); do sim revoke "{\"provider\":\"strict\",\"account\":\"$2-$i\"}" > /dev/null; done
}

owners() {
    sql "create table owners (id text primary key, warned $(bool) not null default $(no))"
    sql "insert into owners (id) values ('1'), ('2')"
}

warned() { sql "select case when warned then 1 else 0 end from owners where id = '${1:-1}'"; }
stands() { # TABLE NUMBER: its row
    sql "select status, coalesce(substr(last_error, 1, 13), ''), strikes from $1 where account = '$1-$2'"
}
ahead=0
refresh_all() { # each time everything is due once more
    ahead=$((ahead + 400 * 86400))
    run_renewd --once --at "$(($(date +%s) + ahead))"
}

# What the application does when its user connects the account again: a new pair that lives for an hour.
connects() { # TABLE NUMBER [MORE COLUMNS]
    sim 'accounts?format=tsv' "{\"provider\":\"strict\",\"count\":1,\"prefix\":\"again-$RANDOM-\"}" > "$DIR/new.tsv"
    local access refresh expires
    access=$(cut -f 2 "$DIR/new.tsv" | sed "s/'/''/g") refresh=$(cut -f 3 "$DIR/new.tsv" | sed "s/'/''/g")
    expires=$(cut -f 4 "$DIR/new.tsv")
    [ "$STORE" = sqlite ] || expires="to_timestamp($expires)"
    sql "update $1 set access_token = '$access', refresh_token = '$refresh', expires_at = $expires ${3:-} where account = '$1-$2'"
}

recovered() { [ "$(stands tokens 1)" = 'active||0' ] && [ "$(warned)" = 0 ]; }
requests() { sim_count strict requests; }

# One account, connected again: each way in which renewd may notice.
one_account() { # STORE
    local s="$1, connected again" way id before
    stage "$1"
    owners
    prepare "$1" tokens 1
    id=$(sql 'select id from tokens')
    refresh_all
    check_equal "$s: it was dead, and said so" 'expired|invalid_grant|0 1' "$(stands tokens 1) $(warned)"
    sql 'update tokens set strikes = 0'
    connects tokens 1
    sim mark '{}' > /dev/null
    check "$s: the next start" run_renewd --once
    check_equal "$s: takes all of it back" 'active||0 0' "$(stands tokens 1) $(warned)"
    check_equal "$s: without a refresh" 0 "$(requests)"
    check_equal "$s: the history tells of no attempt that was none" 'reconnect' "$(sql "select outcome from $(own attempts)")"
    sql "update tokens set last_error = 'ours', status = 'checked'"
    run_renewd --once
    check_equal "$s: once: what the application writes then stays" 'checked|ours|0' "$(stands tokens 1)"
    sql "update tokens set last_error = null, status = 'active'"
    for way in token refresh rescan; do
        sim revoke "{\"provider\":\"strict\",\"account\":\"$(cut -f 1 "$DIR/new.tsv")\"}" > /dev/null
        refresh_all
        check_equal "$s, $way: it is dead again" 'expired|invalid_grant|0 1' "$(stands tokens 1) $(warned)"
        [ $way != rescan ] || sed -i '1a rescan = "1s";' "$DIR/conf.d/tokens.conf"
        start_ready || exit 1
        connects tokens 1
        case $way in
            token) ctl token tokens "$id" > /dev/null ;;
            refresh) ctl refresh tokens "$id" > /dev/null ;;
        esac
        check "$s, $way: seen, and taken back" wait_until 30 recovered
        stop_renewd
    done
}

count_writes() { # of the status column, from now on
    sql "create table writes (status text)"
    if [ "$STORE" = sqlite ]; then
        sql "create trigger note_status after update of status on tokens begin insert into writes values (new.status); end"
    else
        sql "create function note_status() returns trigger language plpgsql as \$\$ begin
                 insert into writes values (new.status); return new; end \$\$;
             create trigger note_status after update of status on tokens for each row execute function note_status()"
    fi
}

# Two hosts and one that comes by notice it: it is written once.
two_hosts() { # STORE
    local s="$1, two hosts"
    stage "$1"
    owners
    prepare "$1" tokens 1
    refresh_all
    sed -i '1a rescan = "1s";' "$DIR/conf.d/tokens.conf"
    mkdir -p "$DIR/state2"
    chmod 700 "$DIR/state2"
    sed -e 's/state_dir = "state"/state_dir = "state2"/' -e "s,$SOCKET,$DIR/second.sock," "$CONF" > "$DIR/second.conf"
    start_ready || exit 1
    "$RENEWD" -c "$DIR/second.conf" >> "$DIR/renewd.all" 2>&1 &
    SECOND_PID=$!
    check "$s: the second starts" wait_until 30 curl -sSf --unix-socket "$DIR/second.sock" http://localhost/readyz
    count_writes
    connects tokens 1
    check "$s: seen, and taken back" wait_until 30 recovered
    run_renewd --once
    stop_process "$SECOND_PID"
    SECOND_PID=''
    stop_renewd
    check_equal "$s: written once" active "$(sql 'select status from writes')"
    rm -rf "$DIR/state2"
}

# Two connections name their owner in two spellings that are one key to the database.
spelled() { # STORE TYPE SPELLING SPELLING
    local s="$1, $2"
    stage "$1"
    [ "$2" != citext ] || sql 'create extension citext'
    sql "create table owners (id $2 primary key, warned $(bool) not null default $(no))"
    sql "insert into owners (id) values ('$3')"
    prepare "$1" tokens 2
    sql "update tokens set owner_id = '$3' where account = 'tokens-1'"
    sql "update tokens set owner_id = '$4' where account = 'tokens-2'"
    refresh_all
    check_equal "$s: both are dead" 1 "$(warned "$3")"
    connects tokens 1
    run_renewd --once
    check_equal "$s: the first is well, the warning stays" 'active||0 1' "$(stands tokens 1) $(warned "$3")"
    connects tokens 2
    run_renewd --once
    check_equal "$s: both are, and it goes" 'active||0 0' "$(stands tokens 2) $(warned "$3")"
    sim revoke "{\"provider\":\"strict\",\"account\":\"$(cut -f 1 "$DIR/new.tsv")\"}" > /dev/null
    refresh_all
    check_equal "$s: the second is dead again" 1 "$(warned "$3")"
    connects tokens 2
    run_renewd --once
    check_equal "$s: and well: it goes" 0 "$(warned "$3")"
}

# What the application wrote itself is its own.
its_own() { # STORE
    local s="$1, its own"
    stage "$1"
    owners
    prepare "$1" tokens 1
    refresh_all
    connects tokens 1 ", status = 'checked', last_error = 'call them', strikes = 7"
    run_renewd --once
    check_equal "$s: its words stay" 'checked|call them|7' "$(stands tokens 1)"
    check_equal "$s: renewd's warning goes" 0 "$(warned)"
}

# A refusal that is no verdict yet leaves the row as it was: with the words of an earlier trouble, which are renewd's, too.
earlier_words() { # STORE
    local s="$1, earlier words"
    stage "$1"
    owners
    prepare "$1" tokens 1
    sim misbehave '{"mode":"status","provider":"strict","status":503,"count":1}' > /dev/null
    refresh_all
    check_match "$s: a fault that passes is told" '^error\|transient|^error\|http|^error\|[a-z0-9_]+' "$(stands tokens 1)"
    sql "update $(own records) set state = 5, last_outcome = 5, last_code = 'withheld', last_text = 'as if'"
    connects tokens 1
    run_renewd --once
    check_equal "$s: connected again, they go" 'active||0' "$(stands tokens 1)"
}

# Two connections of one owner, and one of another job: the warning goes with the last of them.
several() { # STORE
    local s="$1, several"
    stage "$1"
    owners
    prepare "$1" tokens 2
    prepare "$1" others 1
    sql "insert into owners (id) values ('3')"
    refresh_all
    check_equal "$s: all are dead" 1 "$(warned)"
    connects tokens 1
    run_renewd --once
    check_equal "$s: one is well: the row says so, the warning stays" 'active||0 1' "$(stands tokens 1) $(warned)"
    connects tokens 2
    run_renewd --once
    check_equal "$s: another job's is dead still" 'active||0 1' "$(stands tokens 2) $(warned)"
    # By a refresh, too, and after renewd forgot whom it had told (an older one's database).
    sql "delete from $(own told)"
    connects tokens 1
    refresh_all
    check_equal "$s: a refresh that succeeds does not clear it either" 'active||0 1' "$(stands tokens 1) $(warned)"
    connects others 1
    run_renewd --once
    check_equal "$s: the last one does" 'active||0 0' "$(stands others 1) $(warned)"
    # A dead account whose row is deleted needs nobody.
    sim revoke "{\"provider\":\"strict\",\"account\":\"$(cut -f 1 "$DIR/new.tsv")\"}" > /dev/null
    refresh_all
    check_equal "$s: dead again" 1 "$(warned)"
    sql 'delete from others'
    run_renewd --once
    check_equal "$s: its row is deleted, and with it the warning" 0 "$(warned)"
    check_equal "$s: nobody else was touched" 0 "$(warned 2)"
}

# The other job leads to its owner by an address: the row is one all the same.
by_address() {
    sql "alter table owners add column email text"
    sql "update owners set email = 'one@example.com' where id = '1'"
    sql "alter table others add column owner_mail text not null default 'one@example.com'"
    sed -i 's/key = "id"; from = "owner_id"/key = "email"; from = "owner_mail"/' "$DIR/conf.d/others.conf"
}

# Two jobs that lead to one row by different keys: the warning goes with the last of them.
two_keys() { # STORE
    local s="$1, two keys"
    stage "$1"
    owners
    prepare "$1" tokens 1
    prepare "$1" others 1
    by_address
    refresh_all
    check_equal "$s: both are dead" 1 "$(warned)"
    connects tokens 1
    run_renewd --once
    check_equal "$s: one is well, the other warns still" 'active||0 1' "$(stands tokens 1) $(warned)"
    refresh_all
    check_equal "$s: a refresh that succeeds does not clear it" 'active||0 1' "$(stands tokens 1) $(warned)"
    connects others 1
    run_renewd --once
    check_equal "$s: the last one does" 'active||0 0' "$(stands others 1) $(warned)"
    sim revoke "{\"provider\":\"strict\",\"account\":\"$(cut -f 1 "$DIR/new.tsv")\"}" > /dev/null
    refresh_all
    check_equal "$s: dead again, by the address" 1 "$(warned)"
    sql 'delete from tokens'
    run_renewd --once
    check_equal "$s: a row that is gone takes no other's warning away" 1 "$(warned)"
}

# The second job comes while the first one runs on.
second_key_comes() { # STORE
    local s="$1, a second key comes"
    stage "$1"
    owners
    prepare "$1" tokens 1
    prepare "$1" others 1
    by_address
    sed -i '1a rescan = "1s";' "$DIR/conf.d/tokens.conf"
    mv "$DIR/conf.d/others.conf" "$DIR/others.conf"
    refresh_all
    start_ready || exit 1
    mv "$DIR/others.conf" "$DIR/conf.d/others.conf"
    check "$s: a reload takes it" ctl reload
    check "$s: its account is dead, too" wait_until 30 others_dead
    connects tokens 1
    check "$s: the first one's is well again" wait_until 30 tokens_well
    stop_renewd
    check_equal "$s: the warning stays" 1 "$(warned)"
}
others_dead() { [ "$(stands others 1)" = 'expired|invalid_grant|0' ]; }
tokens_well() { [ "$(stands tokens 1)" = 'active||0' ]; }

# A bot's and a user's tokens in one row, with one status, one last_error, one refreshed_at. The bots' job names the row
# by its key KEY.
one_row() { # STORE KEY
    local s="$1, one row, $2" time=integer
    stage "$1"
    owners
    prepare "$1" tokens 1
    [ "$STORE" = sqlite ] || time=timestamptz
    sql "alter table tokens add column bot_access text"
    sql "alter table tokens add column bot_refresh text"
    sql "alter table tokens add column bot_expires $time"
    sim 'accounts?format=tsv' '{"provider":"strict","count":1,"prefix":"bot","age":10800}' > "$DIR/new.tsv"
    sql "update tokens set bot_access = '$(cut -f 2 "$DIR/new.tsv" | sed "s/'/''/g")',
             bot_refresh = '$(cut -f 3 "$DIR/new.tsv" | sed "s/'/''/g")'"
    job_of tokens bot_access bot_refresh bot_expires bots
    sed -i "s/^records = { table = \"tokens\"; key = \"id\"/records = { table = \"tokens\"; key = \"$2\"/" "$DIR/conf.d/bots.conf"
    refresh_all
    check_equal "$s: the user's is dead, the bot's is well: the worse stands" 'expired|invalid_grant|0 1' "$(stands tokens 1) $(warned)"
    check_equal "$s: as records" '1 4' "$(sql "select state from $(own records) order by state" | tr '\n' ' ' | sed 's/ $//')"
    check_equal "$s: each named as its job does" 2 "$(sql "select count(*) from $(own records) r join tokens t on r.rkey =
        case r.job when 'bots' then cast(t.$2 as text) else cast(t.id as text) end")"
    # As where the bot's answer came in the second in which the user's was refused, and was stored after it.
    sql "update $(own records) set hash = 'before', last_at = (select max(refreshed_at) from $(own records)),
             refreshed_at = (select max(refreshed_at) from $(own records)) where state = 4"
    refresh_all
    check_equal "$s: another refresh of the bot's changes nothing" 'expired|invalid_grant|0 1' "$(stands tokens 1) $(warned)"
    check_equal "$s: and does not have the user's asked again" 1 "$(sim_account strict tokens-1 presented)"
    connects tokens 1
    run_renewd --once
    check_equal "$s: both are well" 'active||0 0' "$(stands tokens 1) $(warned)"
    sim revoke '{"provider":"strict","account":"bot-1"}' > /dev/null
    refresh_all
    check_equal "$s: now the bot's is dead" 'expired|invalid_grant|0 1' "$(stands tokens 1) $(warned)"
}

# The key column of a second job goes while renewd runs: the first job's new tokens reach their row all the same.
key_column_gone() { # STORE
    local s="$1, a key column that went" job
    stage "$1"
    owners
    make_accounts_table tokens
    sql "alter table tokens add column owner_id text not null default '1'"
    sql "alter table tokens add column strikes integer not null default 0"
    sql "alter table tokens add column bot_key text"
    sql "create unique index bot_keys on tokens (bot_key)"
    load_accounts strict tokens 1 tokens || exit 1
    sql "update tokens set bot_key = 'bot', expires_at = $(if [ "$STORE" = sqlite ]; then echo "$(date +%s) + 86400"
        else echo "now() + interval '1 day'"; fi)"
    job_of tokens
    job_of tokens access_token refresh_token expires_at bots
    sed -i 's/key = "id"; sealed/key = "bot_key"; sealed/; s/refresh_token = "refresh_token"/refresh_token = "bot_refresh"/
            s/access_token = "access_token"/access_token = "bot_access"/' "$DIR/conf.d/bots.conf"
    sql "alter table tokens add column bot_access text"
    sql "alter table tokens add column bot_refresh text"
    start_renewd || exit 1
    check "$s: both jobs are known" wait_until 30 both_known
    sql "drop index bot_keys"
    sql "alter table tokens drop column bot_key"
    ctl refresh tokens "$(sql 'select id from tokens')" > "$DIR/said" 2>&1
    check_match "$s: the first job refreshes" 'refreshed 1, failed 0' "$(cat "$DIR/said")"
    check_equal "$s: and its row holds what lives" live "$(sim_token "$(sql 'select access_token from tokens')" state)"
    check_equal "$s: nothing is parked" 0 "$(sql "select count(*) from $(own kept)")"
    stop_renewd
}
both_known() { # the second has a record without a credential
    ctl status > "$DIR/said" 2>&1 && grep -q '^jobs: *2 (0 held' "$DIR/said" && [ "$(sql "select count(*) from $(own records)")" = 2 ]
}

# The column by which another job's `also` finds its row goes, and comes back, while renewd runs: that holds the other job
# alone, and the commits of this one are done without its records' word.
also_key_gone() { # STORE
    local s="$1, another job's key of also" id
    stage "$1"
    owners
    prepare "$1" tokens 1
    prepare "$1" others 1
    by_address
    refresh_all
    check_equal "$s: both are dead, and the owner is told" '1 expired expired' \
        "$(warned) $(stands tokens 1 | cut -d '|' -f 1) $(stands others 1 | cut -d '|' -f 1)"
    id=$(sql 'select id from tokens')
    start_ready || exit 1
    sql "alter table owners drop column email"
    connects tokens 1
    check "$s: it went: the first job refreshes" ctl refresh tokens "$id"
    check_equal "$s: its row is well, and the owner's told so" 'active||0 0' "$(stands tokens 1) $(warned)"
    check_equal "$s: nothing is parked" 0 "$(sql "select count(*) from $(own kept)")"
    ctl run tokens > /dev/null 2>&1
    check "$s: a warning names both jobs and the column" wait_until 60 grep -q \
        'level=warning msg="also: job others leads to rows of owners by the column email, which is missing.*job=tokens' "$DIR/renewd.all"
    check_match "$s: renewctl jobs has it" 'job others leads to rows of owners by the column email' "$(ctl jobs | tr -s ' \n' ' ')"
    check_no_match "$s: and does not show the job held" 'tokens is held' "$(ctl jobs)"
    stop_renewd
    run_renewd --once tokens
    check_equal "$s: nor does a start hold it" 0 $?
    start_renewd || exit 1
    sql "alter table owners add column email text"
    check "$s: it came back, which is told" wait_until 60 seen_again
    stop_renewd
}
seen_again() { ctl run tokens > /dev/null 2>&1; grep -q "the keys of other jobs' also can be read again" "$DIR/renewd.all"; }

SECOND_PID=''
trap 'ended_with=$?; stop_process "$SECOND_PID"; (exit $ended_with); cleanup' EXIT
start_simulator
for store in ${STORES:-sqlite postgresql}; do
    one_account $store
    two_hosts $store
    its_own $store
    earlier_words $store
    several $store
    [ $store = postgresql ] || spelled $store 'text collate nocase' ABC abc
    [ $store = sqlite ] || spelled $store citext ABC abc
    [ $store = sqlite ] || spelled $store uuid a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11 '{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}'
    two_keys $store
    second_key_comes $store
    one_row $store id
    one_row $store account
    key_column_gone $store
    also_key_gone $store
done
no_tokens_in_logs
finish
