#!/bin/bash
# SPDX-License-Identifier: MIT
# Mistakes in the configuration: --check names all of them in all files with file and line and exits 78; the
# daemon holds the jobs that have one and runs the rest; a wrong key ends it before it writes anything.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/bad.sh"

CLEAR=plainly-written-$$

edit() { # JOB SED
    sed -i "$2" "$DIR/conf.d/$1.conf"
}

# One job a mistake.
mistaken_jobs() {
    google_job wrong_type of_wrong_type 'in_flight = "many";'
    google_job wrong_setting of_wrong_setting
    edit wrong_setting 's/client_id = "client-1"/client_id = 7/'
    google_job unknown_setting of_unknown_setting
    edit unknown_setting 's/client_id = /client_idd = /'
    google_job unknown_top of_unknown_top 'scedule = "@daily";'
    google_job no_env of_no_env
    edit no_env 's/env:TEST_SECRET/env:TEST_SECRET_THAT_IS_NOT/'
    google_job no_file of_no_file
    edit no_file "s,env:TEST_SECRET,file:$DIR/nowhere.secret,"
    google_job in_clear of_in_clear
    edit in_clear "s/env:TEST_SECRET/$CLEAR/"
    google_job bad_schedule of_bad_schedule
    edit bad_schedule 's,"auto","*/10 25 * * *",'
    google_job bad_syntax of_bad_syntax 'limit = = 3;'
    google_job bad_url of_bad_url
    edit bad_url "s,base_url = \"[^\"]*\",base_url = \"http://example.com\","
    make_accounts_table shared
    google_job twice_a shared
    google_job twice_b shared
}

expect() {
    cat <<'EOF'
wrong_type setting 'in_flight' .*must be an integer
wrong_setting setting 'client_id' .*must be a text in quotes, but is
unknown_setting unknown setting 'client_idd' .*did you mean 'client_id'
unknown_top unknown setting 'scedule'.*did you mean 'schedule'
no_env env:TEST_SECRET_THAT_IS_NOT is not set
no_file nowhere.secret is not set: there is no such file
in_clear setting 'client_secret' is a secret and must not be written here
bad_schedule (hour|25)
bad_syntax syntax
bad_url is http:// to another machine
twice_a twice_b
twice_b twice_a
EOF
}

check_reasons() { # WHAT TEXT
    local name reason
    while read -r name reason; do
        check_match "$1: $name" "$reason" "$(printf '%s\n' "$2" | grep -E "(^|[/ ])$name(.conf|[ :])")"
    done < <(expect)
}

mistakes() {
    stage sqlite
    healthy
    mistaken_jobs
    local out
    run_renewd --check
    check_equal "--check exits 78" 78 $?
    out=$(logs)
    check_reasons "--check" "$(grep -E '/[a-z_]+\.conf:[0-9]+: ' "$DIR/renewd.log")"
    check_match "--check gives the right line" "wrong_type.conf:$(grep -n in_flight "$DIR/conf.d/wrong_type.conf" |
        cut -d : -f 1): " "$out"
    check_no_match "--check never prints the secret that stands there" "$CLEAR" "$out"
    check_no_match "--check says nothing of the healthy job but its secret" 'healthy.conf.*(unknown|must)' "$out"
    run_renewd --once
    check_equal "--once exits 1" 1 $?
    check_reasons "--once" "$(cat "$DIR/renewd.log")"
    check_equal "--once names each mistake once" '' \
        "$(grep -oE '[^ "]*\.conf:[0-9]+: .*' "$DIR/renewd.log" | tr -d '\\"' | sort | uniq -d)"
    check_match "--once says which jobs are held by them" '^renewd: job no_env is held: .*mistakes' "$(cat "$DIR/renewd.log")"
    check_no_match "--once never prints it either" "$CLEAR" "$(logs)"
    check_healthy "mistakes beside it"
    start_renewd
    check_match "the daemon runs and shows the reason" 'client_idd' "$(ctl --json jobs)"
    ctl --json jobs > "$DIR/jobs.out"
    check_no_match "the API does not print the secret" "$CLEAR" "$(cat "$DIR/jobs.out")"
    ctl run unknown_top > "$DIR/run.out" 2>&1
    check_equal "renewctl run of a held job exits 1" 1 $?
    check_match "and says why" 'scedule' "$(cat "$DIR/run.out")"
    check "the daemon is ready beside them" wait_until 20 curl -sSf --unix-socket "$SOCKET" http://localhost/readyz
    ctl reload > "$DIR/reload.out" 2>&1
    check_match "a reload names the mistakes again" 'scedule' "$(cat "$DIR/reload.out")"
    check_match "and leaves the healthy job as it was" '^healthy .* on ' "$(ctl jobs)"
    stop_renewd
}

# --- what only the live database can tell ---------------------------------------------------------

time_type() {
    if [ "$STORE" = sqlite ]; then echo integer; else echo timestamptz; fi
}

tables() {
    local s=$1
    stage "$s"
    healthy
    google_job no_table absent
    sql "create table unkeyed (id bigint, account text, access_token text, refresh_token text,
        expires_at $(time_type), refreshed_at $(time_type), last_error text)"
    google_job no_index unkeyed
    make_accounts_table thin
    load_accounts google thin 1 thin-
    sql 'alter table thin drop column refresh_token'
    sql 'alter table thin drop column last_error'
    google_job no_column thin
    start_renewd
    wait_until 20 compare_truth google healthy well-
    ctl --json jobs > "$DIR/jobs.out"
    check_match "$s: a missing table is named, with the remedy" \
        'there is no table "?absent"?; create it, or correct its name' "$(logs_all)"
    check_match "$s: missing columns are all named" 'has no column .*refresh_token.*last_error' "$(logs_all)"
    check_match "$s: and the statement that adds them" \
        'ALTER TABLE .*thin.* ADD COLUMN .*refresh_token.* text.* ADD COLUMN .*last_error.* text' "$(logs_all)"
    check_match "$s: a key without a unique index" 'is the key and has no unique index' "$(logs_all)"
    check_match "$s: the API shows it" 'ALTER TABLE' "$(cat "$DIR/jobs.out")"
    check_healthy "$s: three held jobs beside it"
    make_accounts_table absent
    load_accounts google absent 2 late-
    ctl reload > "$DIR/reload.out" 2>&1
    check "$s: once the table is there, a reload is enough" wait_until 20 compare_truth google absent late-
    # What the message says to type is right.
    grep -o 'ALTER TABLE [^;]*;' "$DIR/renewd.all" | tail -n 2 | sed 's/\\"/"/g' | sort -u > "$DIR/alter.sql"
    grep -o 'ALTER TABLE.*;' <<< "$(ctl --json jobs | json_held no_column)" | sed 's/;[^;]*$/;/' > "$DIR/alter.sql"
    check "$s: the ALTER TABLE of the message works" sql_file "$DIR/alter.sql"
    sql "update thin set refresh_token = '$(sim_account google thin--1 refresh_token)'"
    ctl reload > "$DIR/reload.out" 2>&1
    check "$s: and lets the job run" wait_until 20 compare_truth google thin thin-
    check "$s: the daemon lives" renewd_is_up
    stop_renewd
}

json_held() {
    cat > "$DIR/jobs.json"
    sqlite3 -batch :memory: "select json_extract(value, '\$.held') from
        json_each(json_extract(cast(readfile('$DIR/jobs.json') as text), '\$.jobs'))
        where json_extract(value, '\$.job') = '$1'"
}

logs_all() {
    sed 's/\\"/"/g' "$DIR/renewd.all"
}

# Two names of one table are one table.
one_table_two_names() {
    local s=$1 schema=main
    [ "$s" = sqlite ] || schema=public
    stage "$s"
    healthy
    make_accounts_table tokens
    load_accounts google tokens 2 one-
    google_job plain tokens
    google_job qualified "$schema.tokens"
    run_renewd --once
    check_equal "$s: one table under two names: --once exits 1" 1 $?
    check_match "$s: both jobs are named" '(qualified\.conf:4|job qualified is held): job plain keeps the same column of the same table' "$(logs)"
    check_equal "$s: no record is presented twice" '' "$(sim_get 'accounts?provider=google&format=tsv' |
        awk -F '\t' '/^one-/ && $5 > 1')"
    check_healthy "$s: beside them"
}

# --- renewd.conf ----------------------------------------------------------------------------------

conf_mistake() { # WHAT REGEX SED
    write_conf
    sed -i "$3" "$CONF"
    run_renewd --check
    check_equal "renewd.conf: $1: --check exits 78" 78 $?
    check_match "renewd.conf: $1: is named" "$2" "$(logs)"
    timeout 100 "$RENEWD" -c "$CONF" > "$DIR/renewd.log" 2>&1
    check_equal "renewd.conf: $1: the daemon exits 78" 78 $?
    check_match "renewd.conf: $1: says the same" "$2" "$(logs)"
}

renewd_conf() {
    stage sqlite
    healthy
    conf_mistake "unknown setting" "renewd.conf:[0-9]+: unknown setting 'plugin_dirr'.*'plugin_dir'" 's/plugin_dir /plugin_dirr /'
    conf_mistake "no keys" "'keys' is missing.*keygen" '/^keys/d'
    conf_mistake "key not set" "env:RENEWD_NO_KEY is not set" 's/RENEWD_TEST_KEY/RENEWD_NO_KEY/'
    conf_mistake "key in clear" "is a secret and must not be written" 's/env:RENEWD_TEST_KEY/0001020304050607/'
    check_no_match "renewd.conf: a key in clear is not printed" 0001020304 "$(logs)"
    RENEWD_SHORT_KEY=abcdef
    export RENEWD_SHORT_KEY
    conf_mistake "short key" "64 hex digits.*keygen" 's/RENEWD_TEST_KEY/RENEWD_SHORT_KEY/'
    check_no_match "renewd.conf: a short key is not printed" abcdef "$(logs)"
    conf_mistake "wrong driver" "'driver' .*sqlite.*postgresql" 's/driver = "sqlite"/driver = "mysql"/'
    conf_mistake "no dsn" "'dsn' is missing" 's/driver = "sqlite"; path = "[^"]*"/driver = "postgresql"/'
    conf_mistake "no folder of jobs" "conf_dir, is not there: .*nowhere" 's,"conf.d","nowhere",'
    conf_mistake "syntax" "renewd.conf:[0-9]+: .*syntax" '$a broken = = ('
    timeout 100 "$RENEWD" -c "$DIR/absent.conf" > "$DIR/renewd.log" 2>&1
    check_equal "an absent renewd.conf: 78" 78 $?
    check_match "an absent renewd.conf is named" 'absent.conf' "$(logs)"
    check_equal "nothing was refreshed" 0 "$(sim_count google requests)"
}

# --- keys -----------------------------------------------------------------------------------------

wrong_key() {
    local s=$1
    stage "$s"
    healthy
    make_accounts_table tokens
    load_accounts google tokens 3 seal-
    google_job sealed tokens
    sed -i 's/sealed = "none"/sealed = "renewd"; accept_plain = true/' "$DIR/conf.d/sealed.conf"
    check "$s: plain values are sealed at their first write" run_renewd --once
    check_equal "$s: sealed" 3 "$(sql "select count(*) from tokens where access_token like 'r1.test.%'")"
    dump > "$DIR/before.sql"
    export RENEWD_OTHER_KEY=ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1eff
    sed -i 's/RENEWD_TEST_KEY/RENEWD_OTHER_KEY/' "$CONF"
    for how in --once ''; do
        # shellcheck disable=SC2086
        timeout 40 "$RENEWD" -c "$CONF" $how > "$DIR/renewd.log" 2>&1
        check_equal "$s: a wrong key ends renewd ${how:-the daemon} with 78" 78 $?
        check_match "$s: ${how:-the daemon} says how many values do not open" \
            'key \\?"test\\?".* [1-9][0-9]* values under that id do not open .* [3-9] in the jobs. tables.*[Pp]ut the old key back' "$(logs)"
    done
    dump > "$DIR/after.sql"
    check "$s: and wrote nothing" cmp "$DIR/before.sql" "$DIR/after.sql"
    cat "$DIR/renewd.log" >> "$DIR/renewd.all"
    write_conf
    healthy_again
    check "$s: with the right key again all is well" run_renewd --once
    check_match "$s: and the healthy job refreshed" '^healthy: 2 due, 2 refreshed, 0 failed' "$(logs)"
}

shows_lost() { ctl show sealed "$lost" | grep -q lost; }
# A row sealed under an id that is not in the ring is held alone.
foreign_seal() {
    local s=$1
    stage "$s"
    make_accounts_table tokens
    load_accounts google tokens 3 seal-
    google_job sealed tokens
    sed -i 's/sealed = "none"/sealed = "renewd"; accept_plain = true/' "$DIR/conf.d/sealed.conf"
    sql "update tokens set refresh_token = 'r1.lost.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' where account = 'seal--2'"
    local before
    before=$(token_rows tokens "where account = 'seal--2'")
    run_renewd --once
    check_equal "$s: the other rows are refreshed" 2 "$(sim_count google ok)"
    check_equal "$s: the row under a lost key is not touched" "$before" "$(token_rows tokens "where account = 'seal--2'")"
    check_match "$s: its record says which key" '"lost".*not among keys' \
        "$(sql "select last_outcome, last_text from $(own records) where account = 'seal--2' or last_text is not null")"
    start_renewd
    lost=$(sql "select id from tokens where account = 'seal--2'")
    check "$s: renewctl shows it" wait_until 60 shows_lost
    stop_renewd
}

# A name that nobody can call: --check says so, and the job is not held for that.
unknown_function() {
    stage sqlite
    make_accounts_table tokens
    load_accounts google tokens 1 fn-
    google_job typo tokens 'functions = [ "refresh-token", "refresh-tokens" ];'
    run_renewd --check
    check_equal "an unknown function: --check exits 78" 78 $?
    check_match "an unknown function: it is named, with those that there are" \
        'typo.conf: .*.functions.: there is no function "refresh-tokens"; there are "refresh-token", "refresh-lightspeed-tokens", ' "$(logs)"
    check_equal "an unknown function: it is the only mistake" 1 "$(grep -c 'there is no function' "$DIR/renewd.log")"
    check "an unknown function: the job runs" run_renewd --once
    edit typo 's/, "refresh-tokens"//'
    check "a known function is no mistake" run_renewd --check
}

start_simulator
mistakes
unknown_function
renewd_conf
for store in sqlite postgresql; do
    tables $store
    one_table_two_names $store
    wrong_key $store
    foreign_seal $store
done
no_tokens_in_logs
finish
