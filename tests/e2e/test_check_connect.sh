#!/bin/bash
# SPDX-License-Identifier: MIT
# renewd --check --connect: what the live database says of each job, before renewd's own tables are there, with a role
# that lacks rights, and without anything that stays or is sent.
export DOUBT=1 # the database is as an operator gives it, without anything of renewd's
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/bad.sh"

look() {
    "$RENEWD" -c "$CONF" --check --connect > "$DIR/look.out" 2>&1
    LOOKED=$?
    cat "$DIR/look.out" >> "$DIR/renewd.all"
}

says() { # NAME REGEX
    check_match "$STORE: $1" "$2" "$(cat "$DIR/look.out")"
}

admin() { # SQL: as the cluster's owner
    pg_admin -d "${DSN##*dbname=}" -c "$1" > /dev/null
}

good() {
    healthy
    [ "$STORE" != sqlite ] || sqlite3 "$SQLITE_DB" 'pragma journal_mode = delete' > /dev/null
    dump > "$DIR/before"
    look
    check_equal "$STORE: all is well: 0" 0 $LOOKED
    says "the row that was read and rehearsed with" '^job healthy: healthy: row 1 was read and opened, its update rehearsed'
    says "renewd's own tables are not there yet" "^database: renewd's own tables are not there yet"
    says "no mistakes" 'no mistakes'
    dump > "$DIR/after"
    check "$STORE: nothing that was written stays" diff "$DIR/before" "$DIR/after"
    check_fails "$STORE: no state directory was made" test -e "$DIR/state"
    [ "$STORE" != sqlite ] || check_equal "sqlite: the journal mode stays" delete "$(sqlite3 "$SQLITE_DB" 'pragma journal_mode')"
    check_equal "$STORE: nothing is sent" 0 "$(sim_count google requests)"
    if [ "$STORE" = postgresql ]; then
        pg_admin -c "alter database ${DSN##*dbname=} set default_transaction_read_only = on" > /dev/null
        look
        check_equal "$STORE: one that takes no writes: 78" 78 $LOOKED
        says "it is said" '^database: PostgreSQL takes no writes: it is set to default_transaction_read_only'
        check_no_match "$STORE: and no word of no mistakes" 'no mistakes' "$(cat "$DIR/look.out")"
        pg_admin -c "alter database ${DSN##*dbname=} reset default_transaction_read_only" > /dev/null
    fi
    sed -i 's/sealed = "none"/sealed = "renewd"; accept_plain = true/' "$DIR/conf.d/healthy.conf"
    run_renewd --once
    look
    check_equal "$STORE: and after a run, which sealed its tokens: 0" 0 $LOOKED
    export RENEWD_TEST_KEY=ff$(printf '0%.0s' {1..62})
    look
    check_equal "$STORE: with another key: 78" 78 $LOOKED
    says "it is named" '^database: the key "test" of renewd.conf is not the one'
    export RENEWD_TEST_KEY=$GOOD_KEY
}

# Where no job seals, the look says what the start says, of a key that is another one and of one that is not there.
keys() {
    make_accounts_table tokens
    load_accounts strict tokens 2 key-
    strict_job strict tokens
    run_renewd --once
    check_equal "$STORE: sealed = none: no key is proven" 0 "$(sql "select count(*) from $(own facts) where name like 'key:%'")"
    look
    check_equal "$STORE: sealed = none, the right key: 0" 0 $LOOKED
    export RENEWD_TEST_KEY=ff$(printf '0%.0s' {1..62})
    look
    check_equal "$STORE: sealed = none, another key: 78" 78 $LOOKED
    says "it is named where no job seals" '^database: the key "test" of renewd.conf is not the one'
    run_renewd --once
    check_equal "$STORE: sealed = none, another key: the start too" 78 $?
    sed -i 's/^keys = ( { id = "test"/keys = ( { id = "2026-12"/' "$CONF"
    look
    check_equal "$STORE: sealed = none, no such key: 78" 78 $LOOKED
    says "that it is not there" '^database: renewd.conf has no key "test", with which this database was sealed: put that key back into keys, behind the new one'
    dump > "$DIR/before"
    run_renewd --once
    check_equal "$STORE: sealed = none, no such key: the start too" 78 $?
    check_match "$STORE: and says what is missing, and how much of it does not open" \
        'renewd.conf has no key .?"test.?", with which this database was sealed; [1-9][0-9]* values under that id do not open.*Nothing was written\. Put that key back into keys, behind the new one' "$(logs)"
    check_no_match "$STORE: and nothing of a key that is not in renewd.conf" 'key .?"test.?" of renewd.conf' "$(logs)"
    dump > "$DIR/after"
    check "$STORE: nothing was written" cmp "$DIR/before" "$DIR/after"
    write_conf
    export RENEWD_TEST_KEY=$GOOD_KEY
    sql "update $(own facts) set value = 'x' where name = 'fingerprint_key'"
    look
    check_equal "$STORE: a damaged fact: 78" 78 $LOOKED
    says "it is said" "^database: .*fingerprint_key is not a sealed value"
    run_renewd --once
    check_equal "$STORE: a damaged fact: the start too" 78 $?
}

# Each mistake of each job in the same breath.
mistakes() {
    healthy
    google_job no_table absent
    make_accounts_table thin
    load_accounts google thin 1 thin-
    sql 'alter table thin drop column refresh_token'
    google_job no_column thin
    make_accounts_table sealed_otherwise
    load_accounts google sealed_otherwise 1 other-
    google_job sealed_otherwise sealed_otherwise
    sed -i 's/sealed = "none"/sealed = "renewd"/' "$DIR/conf.d/sealed_otherwise.conf"
    make_accounts_table guarded
    load_accounts google guarded 1 guarded-
    google_job guarded guarded
    make_accounts_table nobody
    google_job nobody nobody
    sql "create table people (id varchar(40) primary key, warned varchar(9) check (warned in ('yes', 'no')))"
    make_accounts_table warning
    load_accounts google warning 1 warning-
    google_job warning warning
    sql "insert into people (id) select account from warning"
    echo 'also = ( { table = "people"; key = "id"; from = "account"; on_ok = { warned = "no"; }; on_reconnect = { warned = "perhaps"; }; } );' >> "$DIR/conf.d/warning.conf"
    make_accounts_table untold
    load_accounts google untold 1 untold-
    google_job untold untold
    echo 'also = ( { table = "people"; key = "id"; from = "account"; on_ok = { warned = "no"; }; on_reconnect = { warned = "yes"; }; } );' >> "$DIR/conf.d/untold.conf"
    if [ "$STORE" = sqlite ]; then
        sql "create trigger frozen before update on guarded begin select raise(abort, 'no'); end"
    else
        sql "create function frozen() returns trigger language plpgsql as \$\$ begin raise 'no'; end \$\$;
             create trigger frozen before update on guarded for each row execute function frozen()"
    fi
    look
    check_equal "$STORE: mistakes in the database: 78" 78 $LOOKED
    says "a table that is not there" '^job no_table: .*there is no table "?absent'
    says "and in which database" "^job no_table: .*it was looked for in .*$(if [ "$STORE" = sqlite ]; then basename "$SQLITE_DB"; else echo "${DSN##*dbname=}"; fi)"
    says "a column that is not there, with the ALTER TABLE" '^job no_column: .*refresh_token.*ALTER TABLE'
    says "a row that does not open" '^job sealed_otherwise: row 1 of sealed_otherwise: .* is not sealed'
    says "what also would write is rehearsed" '^job warning: also: a row of people does not take the values of on_reconnect and on_ok.*constraint'
    check_equal "$STORE: and rolled back" 0 "$(sql "select count(*) from people where warned is not null")"
    says "a row of also that is not there" '^warning: job untold: also: people has no row for row 1 of untold \(by column account\)'
    says "a trigger is named" '^job guarded: guarded has triggers at UPDATE.*: frozen'
    says "and refuses the rehearsal" '^job guarded: a row of guarded cannot be written with its own values'
    says "a table without a row is said so" '^warning: job nobody: nobody has no row'
    says "the healthy one beside them" '^job healthy: healthy: row 1 was read'
    check_no_match "$STORE: no word of no mistakes" 'no mistakes' "$(cat "$DIR/look.out")"
}

# A role of no rights at all is told all of them at once, and they are enough.
rights() {
    healthy
    make_accounts_table second
    load_accounts google second 1 second-
    google_job second second
    sql 'create schema inner_schema; create table inner_schema.people (id text primary key, warned boolean)'
    echo 'also = ( { table = "inner_schema.people"; key = "id"; from = "account"; on_ok = { warned = false; }; on_reconnect = { warned = true; }; } );' >> "$DIR/conf.d/second.conf"
    pg_admin -c "create role renewd_few_$$ login"
    export RENEWD_TEST_STORE="host=$PGHOST port=$PGPORT user=renewd_few_$$ dbname=${DSN##*dbname=}"
    look
    check_equal "a role without rights: 78" 78 $LOOKED
    says "the database" "^database: .*GRANT CREATE ON DATABASE ${DSN##*dbname=} TO renewd_few_$$;"
    says "one table" "^job healthy: .*GRANT SELECT \(id, account, .*\), UPDATE \(access_token, .*\) ON public.healthy TO renewd_few_$$;"
    says "the other table and its also" "^job second: .* ON public.second TO .*GRANT USAGE ON SCHEMA inner_schema TO .*GRANT SELECT \(id\), UPDATE \(warned\) ON inner_schema.people TO"
    grep -o 'GRANT [^;]*;' "$DIR/look.out" | sort -u > "$DIR/grants.sql"
    check "GRANTs were said" test -s "$DIR/grants.sql"
    check "they are SQL" psql -XqAt -v ON_ERROR_STOP=1 -h "$PGHOST" -p "$PGPORT" -U postgres -d "${DSN##*dbname=}" -f "$DIR/grants.sql"
    look
    check_equal "and enough: 0" 0 $LOOKED
    check "also to refresh" run_renewd --once
    # An older renewd's tables, which are another one's.
    admin "delete from renewd.migrations where version = (select max(version) from renewd.migrations)"
    look
    says "of its own it is said that it will bring them up to date" '^database: .*brings them up to date at its next start'
    admin "create role renewd_other_$$; alter table renewd.records owner to renewd_other_$$;
        grant select, insert, update, delete on renewd.records to renewd_few_$$"
    look
    check_equal "tables of an older version, and of another owner: 78" 78 $LOOKED
    says "it is said, with the GRANT" "^database: .*older version, and renewd's role may not bring them up to date: .*GRANT renewd_other_$$ TO renewd_few_$$;"
    admin "insert into renewd.migrations select max(version) + 1, 0 from renewd.migrations"
    look
    check_equal "up to date, their owner is no matter: 0" 0 $LOOKED
    admin "alter table renewd.records owner to renewd_few_$$; drop role renewd_other_$$"
    # The daemon's own hold says the same.
    sql 'revoke all on healthy from public' && sql "revoke all on healthy from renewd_few_$$"
    sql "revoke select (id, account, access_token), update (access_token, refresh_token) on healthy from renewd_few_$$"
    run_renewd --once
    check_match "a right that was taken: the job is held with all GRANTs" \
        "job healthy is held: .*GRANT SELECT \(.*access_token.*\), UPDATE \(.*refresh_token.*\) ON public.healthy TO renewd_few_$$" "$(cat "$DIR/renewd.log")"
    pg_admin -d "${DSN##*dbname=}" -c "drop owned by renewd_few_$$ cascade" -c "drop role renewd_few_$$" > /dev/null
}

lengths_and_policies() {
    healthy
    sql 'alter table healthy alter column access_token type varchar(250), alter column status type varchar(4) using left(status, 4)'
    sed -i 's/records = {/records = { status_values = { reconnect = "disconnected"; };/; s/columns = {/columns = { status = "status";/' \
        "$DIR/conf.d/healthy.conf"
    make_accounts_table hidden
    load_accounts google hidden 2 hidden-
    google_job hidden hidden
    sql 'alter table hidden enable row level security; alter table hidden force row level security; analyze hidden'
    look
    says "a column that is short for tokens" '^warning: job healthy: column access_token of healthy holds at most 250 characters.*TYPE text'
    says "a status that does not fit its column" '^job healthy: column status of healthy holds at most 4 characters, and the value "disconnected"'
    says "row security without a policy" "^job hidden: row security is on for hidden, and no policy lets renewd's role see"
    sql 'create policy nothing on hidden using (false)'
    look
    says "row security that hides all" '^job hidden: row security hides every row of hidden.* 2 rows'
    check_equal "78" 78 $LOOKED
}

# Row security in its other forms, each said by --check --connect and by the daemon's own look.
hidden_says() { # NAME REGEX
    look
    check_match "$1" "^job hidden: .*$2" "$(cat "$DIR/look.out")"
    check_equal "$1: 78" 78 $LOOKED
    run_renewd --once hidden > /dev/null
    check_match "$1: also by a run" "renewd may not read all rows.*job=hidden.*$2" "$(cat "$DIR/renewd.log")"
}

policies() {
    healthy
    make_accounts_table hidden
    load_accounts google hidden 3 hidden-
    google_job hidden hidden
    sql "alter table hidden enable row level security; alter table hidden force row level security;
         create policy never on hidden using (false)"
    hidden_says "all hidden, and no statistics" 'shows renewd.s role no row of hidden, though its file is not empty'
    sql 'drop policy never on hidden; create policy but on hidden as restrictive using (true)'
    hidden_says "a restrictive policy alone" 'no policy lets renewd.s role see'
    sql "create policy reads on hidden for select using (true);
         create policy writes on hidden for update using (account <> 'hidden--2')"
    hidden_says "a row that UPDATE does not see" 'see 1 of the first 1000 rows of hidden and not update'
    sql "drop policy writes on hidden; create policy writes on hidden for update using (true) with check (false)"
    look
    says "USING lets it through, WITH CHECK does not" '^job hidden: a row of hidden cannot be written.*WITH CHECK.*row-level security'
    check_no_match "no GRANT is asked for" 'GRANT [A-Z]' "$(cat "$DIR/look.out")"
    sql "drop policy writes on hidden; create policy writes on hidden for update using (true)"
    look
    check_equal "put right: 0" 0 $LOOKED
    sql "create policy nobody on hidden as restrictive for select using (false); alter table hidden no force row level security"
    look
    check_equal "its owner without FORCE sees all: 0" 0 $LOOKED
}

away() {
    if [ "$STORE" = sqlite ]; then
        rm -f "$SQLITE_DB"
        look
        says "a database that is not there yet" "^warning: database: $SQLITE_DB is not there yet"
        check_fails "sqlite: it is not made" test -e "$SQLITE_DB"
        check_equal "sqlite: without a job that needs it: 0" 0 $LOOKED
        google_job healthy healthy
        look
        check_equal "sqlite: with a job whose table would be there: 78" 78 $LOOKED
        says "the job and its table" "^database: $SQLITE_DB is not there, and job healthy needs its table healthy in it"
        check_fails "sqlite: it is not made for that" test -e "$SQLITE_DB"
        rm "$DIR/conf.d/healthy.conf"
        sed -i "s,$SQLITE_DB,$DIR/no-folder/x.db," "$CONF"
        look
        check_equal "sqlite: no folder for it: 78" 78 $LOOKED
        says "the folder" "^database: the folder of $DIR/no-folder/x.db is not there"
        check_fails "sqlite: the start does not make it" run_renewd --once
        check_fails "sqlite: indeed" test -e "$DIR/no-folder"
    else
        export RENEWD_TEST_STORE="host=127.0.0.1 port=1 user=x password=Qsecret dbname=x"
        look
        check_equal "nobody answers: 78" 78 $LOOKED
        says "it is said" '^database: PostgreSQL cannot be reached'
        check_no_match "without the password" Qsecret "$(cat "$DIR/look.out")"
    fi
}

GOOD_KEY=$RENEWD_TEST_KEY
start_simulator
"$RENEWD" -c "$CONF" --connect > "$DIR/usage.out" 2>&1
check_equal "--connect alone: 2" 2 $?
for s in sqlite postgresql; do
    for t in good keys mistakes rights lengths_and_policies policies away; do
        case $s-$t in sqlite-rights | sqlite-lengths_and_policies | sqlite-policies) continue ;; esac
        stage $s
        rm -rf "$DIR/state"
        $t
    done
done
no_tokens_in_logs
finish
