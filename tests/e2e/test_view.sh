#!/bin/bash
# SPDX-License-Identifier: MIT
# A view as a job's table: one whose rows can be updated, by itself or by a trigger; one whose trigger forgets a column;
# one that cannot be written at all.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"

base() { # STORE
    stage "$1"
    make_accounts_table base
    load_accounts strict base 3 view
    sql "update base set status = 'old' where account = 'view-3'"
    strict_job viewed viewed
}

# trigger COLUMN...: what the view writes.
trigger() {
    local set='' column
    for column; do set="$set${set:+, }$column = new.$column"; done
    if [ "$STORE" = postgresql ]; then
        sql "create or replace function write_viewed() returns trigger language plpgsql as \$\$ begin
                 update base set $set where id = old.id; return new; end \$\$;
             drop trigger if exists viewed_write on viewed;
             create trigger viewed_write instead of update on viewed for each row execute function write_viewed()"
    else
        sql "drop trigger if exists viewed_write;
             create trigger viewed_write instead of update on viewed begin update base set $set where id = old.id; end"
    fi
}
all_columns=(access_token refresh_token expires_at refreshed_at last_error)
outcome() { sql "select last_text from $(own records) where rkey = '1'"; }
pending() { sql "select count(*) from $(own records) where state = 7"; }

simple() {
    base postgresql
    sql "create view viewed as select * from base where status = 'active'"
    check "$STORE: a simple view: --check --connect" run_renewd --check --connect
    check_match "$STORE: its update was rehearsed" 'viewed: row 1 was read and opened, its update rehearsed' "$(cat "$DIR/renewd.log")"
    check "$STORE: a simple view" run_renewd --once
    check_match "$STORE: its rows are refreshed" '^viewed: 2 due, 2 refreshed, 0 failed' "$(cat "$DIR/renewd.log")"
    check_equal "$STORE: and no other" 2 "$(strict_sum presented)"
    check "$STORE: what was written is what the provider gave" grants_agree base view
}

by_trigger() {
    base "$1"
    sql "create view viewed as select id, account, access_token, refresh_token, expires_at, refreshed_at, last_error
         from base cross join (select 'active' as one) o where status = one"
    check_fails "$STORE: a view that takes no update: --check --connect" run_renewd --check --connect
    check_match "$STORE: says what it needs" 'job viewed: .*the view viewed cannot be written.*INSTEAD OF UPDATE, or name the table itself' "$(cat "$DIR/renewd.log")"
    check_fails "$STORE: a view that takes no update" run_renewd --once
    check_equal "$STORE: nothing was sent" 0 "$(strict_sum presented)"
    trigger access_token expires_at refreshed_at last_error
    check_fails "$STORE: a trigger that forgets the refresh token" run_renewd --once
    check_equal "$STORE: the new pairs are kept" 2 "$(pending)"
    check_match "$STORE: and the column is named" 'view viewed does not write column "refresh_token" where its rows come from' "$(outcome)"
    check_equal "$STORE: and half a pair was not written" 0 "$(sql "select count(*) from base where refreshed_at is not null")"
    trigger "${all_columns[@]}"
    start_ready || exit 1
    check "$STORE: put right, they are written" wait_until 60 grants_agree_active
    check_equal "$STORE: nothing was presented twice" "2 0" "$(strict_sum presented) $(strict_sum reuse)"
    stop_renewd
}
grants_agree_active() { grants_agree base view && [ "$(pending)" = 0 ]; }

by_trigger_well() {
    base "$1"
    sql "create view viewed as select id, account, access_token, refresh_token, expires_at, refreshed_at, last_error
         from base cross join (select 'active' as one) o where status = one"
    trigger "${all_columns[@]}"
    check "$STORE: a view with a trigger: --check --connect" run_renewd --check --connect
    check "$STORE: a view with a trigger" run_renewd --once
    check_match "$STORE: its rows are refreshed" '^viewed: 2 due, 2 refreshed, 0 failed' "$(cat "$DIR/renewd.log")"
    check "$STORE: what was written is what the provider gave" grants_agree base view
    check "$STORE: and the row is as renewd knows it" run_renewd --once
    check_match "$STORE: nothing is due again" '^viewed: 0 due' "$(cat "$DIR/renewd.log")"
}

start_simulator
simple
for store in sqlite postgresql; do
    by_trigger $store
    by_trigger_well $store
done
no_tokens_in_logs
finish
