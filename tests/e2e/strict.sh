# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What the tests of rotation share, beside lib.sh: a fresh stage, jobs of oauth2.so against the provider
# that punishes reuse, what that provider saw, what renewd's own tables say.

export TEST_SECRET=hush-secret

# stage STORE [MORE OF renewd.conf]: a new database, no jobs, a forgetful simulator.
stage() {
    main_shell stage || return 1
    make_store "$1" || exit 1
    forget_renewd
    : > "$DIR/renewd.log"
    sim reset '{}' > /dev/null
    write_conf "${2:-}"
}

# Jobs have no ticks, which would come when the wall clock says so and not when a test does; one that wants them
# writes a schedule with a tick that comes soon, or not for months.
# strict_job JOB TABLE [MORE [CLIENT [AUTH [RECORDS]]]]
strict_job() {
    write_job "$1" <<JOB
plugin = "oauth2";
schedule = "auto";
${6:-$(accounts_records "$2")}
settings = { token_url = "$SIM_URL/strict/token"; client_id = "${4:-client-1}";
             client_secret = "env:TEST_SECRET"; client_auth = "${5:-post}"; };
${3:-}
JOB
}

google_job() {
    write_job "$1" <<JOB
plugin = "youtube";
schedule = "auto";
$(accounts_records "$2")
settings = { base_url = "$SIM_URL/google"; client_id = "client-1"; client_secret = "env:TEST_SECRET"; };
${3:-}
JOB
}

# strict_sum FIELD: over all accounts of the strict provider: presented, reuse or ok.
strict_sum() {
    sim_get 'accounts?provider=strict&format=tsv' | awk -F '\t' -v want="$1" '
        { n += want == "presented" ? $5 : want == "reuse" ? $6 : $7 } END { print n + 0 }'
}

# Accounts whose refresh token was presented more than once: "account times", one a line.
presented_twice() {
    sim_get 'accounts?provider=strict' > "$DIR/all.json"
    sqlite3 -batch -noheader -separator ' ' :memory: "
        select json_extract(value, '\$.account'), json_extract(value, '\$.max_presented')
        from json_each(cast(readfile('$DIR/all.json') as text), '\$.accounts')
        where json_extract(value, '\$.max_presented') > 1 order by 1"
}

# history OUTCOME: how many attempts ended so.
history() {
    sql "select count(*) from $(own attempts) where outcome = '$1'"
}

# state TABLE ACCOUNT: of its record, by name.
state() {
    sql "select case r.state when 1 then 'ok' when 2 then 'retrying' when 3 then 'rate_limited'
             when 4 then 'reconnect' when 5 then 'misconfigured' when 6 then 'ambiguous'
             when 7 then 'pending' else 'paused' end
         from $(own records) r join \"$1\" t on r.rkey = cast(t.id as text) where t.account = '$2'"
}

spool_files() {
    find "$DIR/state/spool" -name '*.spool' 2> /dev/null | wc -l
}

# grants_agree TABLE PREFIX: the refresh tokens in the table are those that live, whatever became of the
# access tokens. Prints the differences.
grants_agree() {
    sql_tsv "select account, refresh_token from \"$1\"" | sort > "$DIR/table.tsv" || return 1
    sim_get 'accounts?provider=strict&format=tsv' | cut -f 1,3 |
        awk -F '\t' -v prefix="$2" 'index($1, prefix) == 1' | sort > "$DIR/truth.tsv" || return 1
    [ -s "$DIR/truth.tsv" ] && diff "$DIR/table.tsv" "$DIR/truth.tsv"
}

NOW=$(date +%s)

# later: an hour has passed, at the provider too; every token wants a refresh.
later() {
    main_shell later || return 1
    NOW=$((NOW + 3600))
    sim clock "{\"now\":$NOW}" > /dev/null
}

# The access tokens end, an hour after they came: everything is due again. A token that came a moment ago is left alone
# for ten seconds, and a run leaves it out when the next tick is sooner.
all_expired() {
    local past=1700000000 earlier='refreshed_at - 3600'
    [ "$STORE" = sqlite ] || past="to_timestamp($past)" earlier="refreshed_at - interval '1 hour'"
    sql "update $(own records) set refreshed_at = refreshed_at - 3600, ok_at = ok_at - 3600 where ok_at > 0"
    sql "update tokens set expires_at = $past, refreshed_at = $earlier where expires_at > $past"
}

# back_up, set_back: the same database, with the content it had. The file stays the file that it was.
back_up() {
    if [ "$STORE" = sqlite ]; then
        rm -f "$DIR/backup.db"
        sqlite3 -batch "$SQLITE_DB" "vacuum into '$DIR/backup.db'"
    else
        pg_dump -d "$DSN" --clean --if-exists --no-owner -f "$DIR/backup.sql"
    fi
}

set_back() {
    if [ "$STORE" = sqlite ]; then
        rm -f "$SQLITE_DB-wal" "$SQLITE_DB-shm"
        cat "$DIR/backup.db" > "$SQLITE_DB"
    else
        sql_file "$DIR/backup.sql" > /dev/null 2> "$DIR/restore.log"
    fi
}
