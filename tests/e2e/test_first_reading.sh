#!/bin/bash
# SPDX-License-Identifier: MIT
# A table of several pages, read for the first time and again: every row has its record, what is gone goes, what the
# configuration changes is written to all of them, and PostgreSQL has statistics of the records at once.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"

rows() { # FROM TO
    if [ "$STORE" = sqlite ]; then
        sql "with recursive n(i) as (select $1 union all select i + 1 from n where i < $2)
             insert into tokens (id, account, access_token, refresh_token, expires_at)
             select i, 'a' || i, 'access-' || i, 'refresh-' || i, unixepoch() + 31536000 from n"
    else
        sql "insert into tokens (id, account, access_token, refresh_token, expires_at)
             select i, 'a' || i, 'access-' || i, 'refresh-' || i, now() + interval '1 year'
             from generate_series($1, $2) i"
    fi
}

# Autovacuum may have looked at them, else; the table was made when the store was.
alone() {
    [ "$STORE" = sqlite ] || sql 'alter table renewd.records set (autovacuum_enabled = off)'
}

known() { sql "select reltuples from pg_class where oid = 'renewd.records'::regclass"; }

# As many records as rows, each with its row's account.
all_there() { # NAME
    check_equal "$1" "$(sql 'select count(*), count(*) from tokens')" \
        "$(sql "select count(*), count(t.id) from $(own records) r left join tokens t
                on cast(t.id as text) = r.rkey and t.account = r.account")"
}

reading() { # STORE
    local s=$1 before
    stage "$1"
    alone
    make_accounts_table tokens
    rows 1 2500
    strict_job tokens tokens
    check "$s: a table of three pages" run_renewd --once
    check_match "$s: is read" 'records discovered.*rows=2500 changed=2500 removed=0' "$(cat "$DIR/renewd.log")"
    all_there "$s: each row has its record"
    [ "$STORE" = sqlite ] || check_equal "$s: and PostgreSQL knows how many" 2500 "$(known)"

    sql 'delete from tokens where id in (7, 1000, 2400)'
    rows 2501 2503
    check "$s: as many were deleted as added" run_renewd --once
    check_match "$s: both are seen" 'records discovered.*rows=2500 changed=3 removed=3' "$(cat "$DIR/renewd.log")"
    all_there "$s: each row has its record, and there are no others"

    before=$(sql "select count(distinct point) from $(own records) where point > 0")
    sql "update $(own records) set last_text = 'as it was'"
    sed -i 's/^schedule.*/&\nrefresh_before = "30d";/' "$DIR/conf.d/tokens.conf"
    check "$s: with another refresh_before" run_renewd --once
    check_match "$s: every record changes" 'records discovered.*rows=2500 changed=2500 removed=0' "$(cat "$DIR/renewd.log")"
    check_equal "$s: each has its own time as before" 2500 "$(sql "select count(*) from $(own records) where due_at = point and due_at > 0")"
    check "$s: which is spread" test "$before" -gt 0
    check_equal "$s: and nothing else of it was written over" 2500 "$(sql "select count(*) from $(own records) where last_text = 'as it was'")"
    all_there "$s: each row has its record still"
    check "$s: once more" run_renewd --once
    check_match "$s: nothing changes" 'records discovered.*rows=2500 changed=0 removed=0' "$(cat "$DIR/renewd.log")"
}

# A role that owns neither renewd's tables nor the database may not gather statistics; that is no trouble.
not_the_owner() {
    stage postgresql
    alone
    make_accounts_table tokens
    rows 1 2500
    strict_job tokens tokens
    local database=${DSN##*dbname=}
    pg_admin -d "$database" -c "alter database $database owner to postgres" \
        -c 'alter table renewd.records owner to postgres' -c 'grant all on renewd.records to renewd_test'
    check 'a role that is not the owner: the table is read' run_renewd --once
    check_match 'a role that is not the owner: all of it' 'records discovered.*rows=2500 changed=2500' "$(cat "$DIR/renewd.log")"
    check_no_match 'a role that is not the owner: nothing is warned of' 'level=(warning|error)' "$(cat "$DIR/renewd.log")"
    check 'a role that is not the owner: there are no statistics' test "$(known)" != 2500
}

start_simulator
for store in ${STORES:-sqlite postgresql}; do
    reading $store
done
not_the_owner
finish
