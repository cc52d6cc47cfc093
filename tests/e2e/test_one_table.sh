#!/bin/bash
# SPDX-License-Identifier: MIT
# One table for all providers, as next-auth and better-auth have it: two jobs with disjoint `only` groups, whichever comes
# first, over restarts, reloads and new names; a row that changes groups; groups that overlap, of which the newer file
# alone is held.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"

# group_job JOB ONLY [COLUMNS [MORE]]
group_job() {
    write_job "$1" <<JOB
plugin = "oauth2"; rescan = "1s";
schedule = [ "*/10 * * * *", "auto" ];
records = { table = "${table_name:-Account}"; key = "id"; sealed = "none"; ${2:+only = $2;}
    columns = { account = "account"; access_token = "access_token"; refresh_token = "refresh_token";
                expires_at = "expires_at"; last_error = "last_error"; ${3:-} }; };
settings = { token_url = "$SIM_URL/strict/token"; client_id = "client-1"; client_secret = "env:TEST_SECRET"; };
${4:-}
JOB
}
held() { ctl --json jobs > "$DIR/jobs.json"; sqlite3 :memory: "select coalesce(json_extract(value, '\$.held'), '') from
    json_each(json_extract(cast(readfile('$DIR/jobs.json') as text), '\$.jobs')) where json_extract(value, '\$.job') = '$1'"; }
of_job() { sql "select count(*) from $(own records) where job = '$1'"; }
of_job_is() { [ "$(of_job "$1")" = "$2" ]; }
# Everything that renewd knows of the records but their job's name.
known() { sql "select rkey, generation, first_seen, refreshed_at, state from $(own records) order by source, rkey"; }
truth_of() { # PREFIX: those rows have the newest tokens
    compare_truth strict Account "$1" > "$DIR/differs"
    [ -s "$DIR/truth.tsv" ] && ! grep -q '^>' "$DIR/differs"
}
older() { touch -d "$2" "$DIR/conf.d/$1.conf"; }

table() { # STORE [TYPE OF provider]
    stage "$1"
    make_accounts_table Account
    load_accounts strict Account 5 g "${3:-\"age\":10800}"
    load_accounts strict Account 5 t "${3:-\"age\":10800}"
    sql "alter table \"Account\" add column provider ${2:-text}"
    sql "update \"Account\" set provider = case when account like 'g%' then 'google' else 'tiktok' end"
}

two_jobs() {
    local before
    table "$STORE"
    group_job google '{ provider = "google"; }'
    start_ready || exit 1
    check "$STORE: the first job refreshes its rows" wait_until 60 truth_of g
    check "$STORE: and has its records alone" of_job_is google 5
    check_equal "$STORE: no other token was presented" 5 "$(strict_sum presented)"
    before=$(known)
    group_job tiktok '{ provider = [ "tiktok", "douyin" ]; }'
    check "$STORE: a second job" ctl reload
    check "$STORE: refreshes the others" wait_until 60 compare_truth strict Account
    check_equal "$STORE: none is held" "" "$(held google)$(held tiktok)"
    check_equal "$STORE: each has its records" "5 5" "$(of_job google) $(of_job tiktok)"
    check_equal "$STORE: the first one's are as they were" "$before" "$(known | head -5)"
    stop_renewd
    before=$(known)
    check "$STORE: --check" run_renewd --check
    check_match "$STORE: names the column that parts them" '^jobs google and tiktok keep the same column of table Account fresh; column provider parts their rows$' "$(cat "$DIR/renewd.log")"
    mv "$DIR/conf.d/google.conf" "$DIR/conf.d/zz.conf"
    check "$STORE: the other order of files" run_renewd --once
    check_equal "$STORE: nothing was presented again" "10 0" "$(strict_sum presented) $(strict_sum reuse)"
    check_equal "$STORE: every record is as it was" "$before" "$(known)"
    sed -i 's/job = "tiktok"/job = "videos"/' "$DIR/conf.d/tiktok.conf"
    start_ready || exit 1
    ctl run videos > "$DIR/run.out"
    check_equal "$STORE: a new name: its records are its own" "5 0" "$(of_job videos) $(of_job tiktok)"
    check_equal "$STORE: and as they were" "$before" "$(known)"
    changes_groups
    stop_renewd
    rm "$DIR/conf.d/zz.conf"
    before=$(of_job videos)
    check "$STORE: the second alone" run_renewd --once
    check_equal "$STORE: has the records that it had" "$before" "$(of_job videos)"
    check_equal "$STORE: no token was presented twice" 0 "$(strict_sum reuse)"
}

# Row 1 is g's, then t's: a new record to its new job.
changes_groups() {
    sql "update \"Account\" set provider = 'tiktok' where id = 1"
    ctl run videos > "$DIR/run.out"
    ctl run google > "$DIR/run.out"
    check "$STORE: a row that changes groups is a record of its new job" wait_until 60 of_job_is videos 6
    check "$STORE: and none of its old one" wait_until 60 of_job_is google 4
    check "$STORE: it is shown there" ctl show videos 1
    sql "update \"Account\" set provider = null where id = 2"
    ctl run google > "$DIR/run.out"
    check "$STORE: NULL is in no group" wait_until 60 of_job_is google 3
    check_equal "$STORE: of either" 6 "$(of_job videos)"
}

overlap() {
    table "$STORE"
    group_job first '{ provider = [ "google", "tiktok" ]; }'
    group_job second '{ provider = [ "tiktok", "other" ]; }'
    older second '2 hours ago'
    check_fails "$STORE: overlap: --check" run_renewd --check
    check_match "$STORE: the newer file is named, with line and rows" "conf\.d/first\.conf:4: job second keeps the same column of the same table fresh \(refresh_token of Account, in .*/conf\.d/second\.conf\), and both take rows with provider = \"tiktok\"\..* held, .*/first\.conf" "$(cat "$DIR/renewd.log")"
    check_equal "$STORE: it alone" 1 "$(grep -c 'keeps the same column' "$DIR/renewd.log")"
    older first '3 hours ago'
    start_ready || exit 1
    check_match "$STORE: the newer file's job is held" 'job first keeps the same column of the same table.*both take rows with provider = "tiktok"' "$(held second)"
    check_equal "$STORE: the other is not" "" "$(held first)"
    check "$STORE: and works" wait_until 60 compare_truth strict Account
    group_job third ''
    check_fails "$STORE: a third one that takes all rows" ctl reload
    check_match "$STORE: is held" 'job third has no `only` and takes all rows' "$(held third)"
    rm "$DIR/conf.d/third.conf"
    group_job second '{ provider = [ "other" ]; }'
    check "$STORE: put right" ctl reload
    check_equal "$STORE: both run" "" "$(held first)$(held second)"
    stop_renewd
}

no_part() {
    table "$STORE"
    group_job first '{ status = "active"; }' 'status = "status";'
    group_job second '{ status = "other"; }'
    older first '1 hour ago'
    check_fails "$STORE: parted by the status" run_renewd --check
    check_match "$STORE: which parts nothing" 'no column parts their rows: status parts nothing, because renewd writes it' "$(cat "$DIR/renewd.log")"
    group_job first '{ status = "active"; }' '' 'also = ( { table = "Account"; key = "id"; from = "id"; on_reconnect = { status = "dead"; }; } );'
    older first '1 hour ago'
    check_fails "$STORE: parted by a column that \`also\` writes" run_renewd --check
    check_match "$STORE: nor does that" 'status parts nothing, because renewd writes it' "$(cat "$DIR/renewd.log")"
    group_job first '{ provider = "google"; }'
    group_job second '{ status = "active"; }'
    older first '1 hour ago'
    check_fails "$STORE: no column of both" run_renewd --check
    check_match "$STORE: is said" 'no column is named by the `only` of both' "$(cat "$DIR/renewd.log")"
    group_job first '( { column = "pro vider"; value = "google"; }, { column = "status"; value = [ "active", "new" ]; } )'
    group_job second '( { column = "pro vider"; value = "tiktok"; } )'
    sql 'alter table "Account" rename column provider to "pro vider"'
    check "$STORE: a column that is no name in libconfig" run_renewd --once
    check "$STORE: both refresh" compare_truth strict Account
    check_equal "$STORE: each its rows" "5 5" "$(of_job first) $(of_job second)"
}

# Only the database knows that these are one group, or one table.
as_the_database() {
    local type='text collate nocase' name=main.Account
    if [ "$STORE" = postgresql ]; then
        type=citext name='public.\"Account\"'
        sql 'create extension citext'
    fi
    table_type "$type"
    group_job first '{ provider = "Google"; }'
    group_job second '{ provider = "google"; }'
    older first '1 hour ago'
    start_ready || exit 1
    check "$STORE: capitals: the newer one is held" wait_until 60 eval '[[ "$(held second)" == *"both take rows with provider = \"google\""* ]]'
    check_equal "$STORE: capitals: the older one is not" "" "$(held first)"
    check "$STORE: and refreshes its rows" wait_until 60 truth_of g
    check_equal "$STORE: no token was presented twice" "5 0" "$(strict_sum presented) $(strict_sum reuse)"
    table_name=$name group_job second '{ provider = "tiktok"; }'
    check "$STORE: another notation of the table" ctl reload
    check "$STORE: both refresh" wait_until 60 compare_truth strict Account
    check_equal "$STORE: none is held" "" "$(held first)$(held second)"
    stop_renewd
}
table_type() {
    make_accounts_table Account
    load_accounts strict Account 5 g
    load_accounts strict Account 5 t
    sql "alter table \"Account\" add column provider $1"
    sql "update \"Account\" set provider = case when account like 'g%' then 'google' else 'tiktok' end"
}

start_simulator
for store in sqlite postgresql; do
    STORE=$store
    two_jobs
    overlap
    no_part
    stage "$store"
    as_the_database
done
no_tokens_in_logs
finish
