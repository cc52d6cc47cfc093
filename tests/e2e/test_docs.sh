#!/bin/bash
# SPDX-License-Identifier: MIT
# What README and the manuals show is run as it stands, and what is shipped is used as it stands. Each block of README
# and each example of a manual is here under its first line, with the function that runs it or the reason why nobody
# does; a block that is not here is a failure, and so is a shipped file. What is changed before it is run: the place
# /etc/renewd, the port, and where a provider is.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/shipped.sh"
. "$(dirname "$0")/graph.sh"

ETC=$DIR/etc/renewd PORT=$(free_port)
export APP_KEY=hush-app-key-0123456789 DATABASE_URL=''
mkdir -p "$DIR/bin" "$DIR/blocks"

# FILE|FIRST LINE|WHAT: a function of ours, or "left: REASON".
table() {
    cat <<'TABLE'
README.md|contrib/quickstart    # builds, plays five providers, and lets every shipped job see to its accounts before your eyes|left: they build renewd and run every test, this one among them
README.md|contrib/install-deps                     # Debian's packages; what ./configure asks for|left: it installs packages and builds renewd, as contrib/check does before its tests
README.md|mkdir -p /etc/renewd/conf.d|main_file
README.md|job = "youtube";   plugin = "youtube";   schedule = [ "*/10 * * * *", "auto" ];|job_file
README.md|renewd --check            # every mistake in every file, with file and line; which secrets are set|look_and_run
README.md|useradd --system --home-dir /var/lib/renewd --shell /usr/sbin/nologin renewd|left: it makes a system user and needs systemd as the first process; the unit itself is verified here
README.md|curl -H "Authorization: Bearer $APP_KEY" 'http://127.0.0.1:8642/v1/jobs/youtube/records/creator_0001/token?min_valid=300'|token_call
README.md|curl -H "Authorization: Bearer $APP_KEY" http://127.0.0.1:8642/v1/jobs/lightspeed/records/17/forward/Account.json|forward_call
README.md|curl -H "Authorization: Bearer $APP_KEY" -H 'Content-Type: application/json' --data-binary @purchase.json \|events_call
README.md|cc -std=c99 -fPIC -shared -fvisibility=hidden -Wl,-z,defs $(pkg-config --cflags renewd) -o acme.so acme.c|build_plugin
man/renewd.conf.5|# renewd.conf|manual_job
man/renewd-job.5|# conf.d/google.conf|left: a line of each of two jobs; test_one_table runs such jobs
man/renewd-plugin.3|cc \-std=c99 \-fPIC \-shared \-fvisibility=hidden \-Wl,\-z,defs \e|left: README's block of the same command is run
man/renewd-plugin.3|    if (!in\->reply)|left: three lines of a callback, which plugins/skeleton.c has in full
man/renewd-plugin.3|    static int32_t acme_on_answer(void *instance, const struct renewd_on_answer_in *in,|compile_examples
man/renewd-plugin.3|    static int32_t acme_take_event(void *instance, const struct renewd_take_event_in *in,|compile_examples
man/renewd-plugin.3|    static int32_t ask_events(const struct acme *k, const struct renewd_send_events_in *in)|compile_examples
man/renewd-moving.7|psql \-d app \-v role=renewd \-f grants\-airpublisher.sql|left: test_grants applies each of these files
man/renewd-moving.7|SELECT jobid, jobname, schedule, command FROM cron.job WHERE active;|moving_sql
man/renewd-moving.7|renewd \-\-once JOB        # one pass; prints what was refreshed and what failed|left: systemctl needs systemd as the first process; the others are run above
man/renewd-moving.7|SELECT cron.unschedule(\(aqNAME\(aq);|moving_sql
man/renewd-moving.7|grants\-airpublisher.sql; youtube.conf instagram.conf tiktok.conf; functions.sql|names_files
man/renewd-moving.7|grants\-lightspeed.sql; lightspeed.conf; functions.sql|names_files
man/renewd-moving.7|grants\-free_plan.sql; free\-plan.conf and the view of free_plan.sql; functions.sql|names_files
man/renewd-moving.7|SELECT * FROM user_subscriptions WHERE status = \(aqfree\(aq AND current_period_end <= now();|moving_sql
man/renewd-moving.7|grants\-meta.sql; meta.conf|names_files
man/renewd-moving.7|instagram_saas.sql (adds the columns that are missing); grants\-instagram_saas.sql; instagram\-connections.conf|names_files
TABLE
}

# Each block into a file of its own; one line of blocks.tsv: file, number, FILE, first line.
extract() { # FILE
    local n=$blocks_made
    case $1 in
        *.md) awk -v dir="$DIR/blocks" -v n="$n" -v file="$1" '
            match($0, /^ *```/) { if (in_it) { close(out); in_it = 0 } else { in_it = 1; pad = RLENGTH - 3; first = 1; n++; out = dir "/" n; printf "" > out }; next }
            in_it { line = substr($0, 1, pad) ~ /^ *$/ ? substr($0, pad + 1) : $0
                if (first) { print n "\t" file "\t" line; first = 0 }
                print line >> out }' "$TOP/$1" ;;
        *) awk -v dir="$DIR/blocks" -v n="$n" -v file="$1" '
            /^\.nf/ { in_it = 1; first = 1; n++; out = dir "/" n; printf "" > out; next }
            /^\.fi/ { in_it = 0; close(out); next }
            in_it && /^\.(RS|RE)/ { next }
            in_it { if (first) { print n "\t" file "\t" $0; first = 0 }
                gsub(/\\\(aq/, "\047"); gsub(/\\\(dq/, "\""); gsub(/\\-/, "-"); gsub(/\\e/, "\\")
                print >> out }' "$TOP/$1" ;;
    esac >> "$DIR/blocks.tsv"
    blocks_made=$(find "$DIR/blocks" -type f | wc -l)
}

what_of() { # FILE FIRST
    table | awk -F '\t' -v want="$1|$2|" 'BEGIN { want = ENVIRON["WANT"] } index($0, want) == 1 { print substr($0, length(want) + 1); exit }'
}

# The programs as README calls them: with the configuration that it made.
programs() {
    printf '#!/bin/sh\nexec %s -c %s/renewd.conf "$@"\n' "$RENEWD" "$ETC" > "$DIR/bin/renewd"
    printf '#!/bin/sh\ncase $1 in keygen|next|describe) exec %s "$@";; esac\nexec %s -s %s "$@"\n' "$RENEWCTL" "$RENEWCTL" "$SOCKET" \
        > "$DIR/bin/renewctl"
    chmod +x "$DIR/bin/renewd" "$DIR/bin/renewctl"
    export PATH="$DIR/bin:$PATH"
}

as_shown() { sed -e "s,/etc/renewd,$ETC,g" -e "s,127\.0\.0\.1:8642,127.0.0.1:$PORT,g" "$DIR/blocks/$1"; } # NUMBER

# ---- README's five minutes ----

main_file() { # NUMBER
    make_store postgresql
    export DATABASE_URL=$DSN
    as_shown "$1" > "$DIR/block.sh"
    check "README: a folder, a key, the main file" sh -e "$DIR/block.sh"
    check_equal "README: the key is nobody else's" 600 "$(stat -c %a "$ETC/renewd.key")"
    cat >> "$ETC/renewd.conf" <<CONF
plugin_dir = "$PLUGIN_DIR";  state_dir = "$DIR/docs-state";
api = { socket = "$SOCKET"; listen = "127.0.0.1:$PORT";
        clients = ( { name = "app"; secret = "env:APP_KEY"; jobs = [ "*" ]; allow = [ "token", "forward", "events" ]; } ); };
CONF
    mkdir -m 700 "$DIR/docs-state"
    sql_file "$TOP/sql/postgresql/airpublisher.sql" > /dev/null 2>&1 || not_ok "README: the table of its job"
}

setting() { sed -n "s/.*\b$2 = \(\[[^]]*\]\|\"[^\"]*\"\);.*/\1/p" "$1" | head -n 1 | tr -s ' '; } # FILE NAME

job_file() {
    local name
    as_shown "$1" > "$ETC/conf.d/youtube.conf"
    for name in plugin schedule table key access_token refresh_token expires_at updated_at client_id client_secret; do
        check_equal "README: its job and the shipped one say the same: $name" "$(setting "$TOP/conf.d/youtube.conf" $name)" \
            "$(setting "$ETC/conf.d/youtube.conf" $name)"
    done
}

# The two other jobs that README's calls name, with the accounts that they name.
other_jobs() {
    sql_file "$TOP/sql/postgresql/meta.sql" > /dev/null 2>&1
    make_accounts_table shops
    load_accounts lightspeed shops 1 shop '"age":60' > /dev/null
    sql "update shops set id = 17"
    cat > "$ETC/conf.d/lightspeed.conf" <<CONF
job = "lightspeed";  plugin = "lightspeed";  schedule = "0 0 1 1 *";
$(accounts_records shops)
settings = { client_id = "env:LIGHTSPEED_CLIENT_ID"; client_secret = "env:LIGHTSPEED_CLIENT_SECRET"; base_url = "$SIM_URL/lightspeed"; };
forward = { allow = [ "$SIM_URL/lightspeed/API/V3" ]; };
CONF
    account facebook app '"age":60'
    sql "insert into \"App\" (\"id\", \"name\", \"userId\") values ('1', 'app', 'user')"
    sql "insert into \"AppSettings\" (\"id\", \"appId\", \"metaPixelId\", \"metaAccessToken\", \"metaTokenExpiresAt\")
         values ('1', '1', 'px', $(text "$TOKEN"), $(time_sql "$EXPIRES" without))"
    sed -e "s,^settings = {,& base_url = \"$SIM_URL/facebook\";," -e 's/^schedule.*/schedule = "0 0 1 1 *";/' "$TOP/conf.d/meta.conf" \
        > "$ETC/conf.d/meta.conf"
}

# A daemon in the foreground is the one line that does not end.
look_and_run() {
    local line
    other_jobs
    creators youtube 1 creator '"age":10800'
    sql "update airpublisher_youtube_tokens set creator_unique_identifier = 'creator_0001'"
    as_shown "$1" > "$DIR/block.sh"
    sed -i "s,client_secret = \"env:GOOGLE_CLIENT_SECRET_ALYAN\";,& base_url = \"$SIM_URL/google\";," "$ETC/conf.d/youtube.conf"
    while read -r line; do
        [ "${line%% *}" != '#' ] && [ -n "$line" ] || continue
        line=$(sed 's/ *#.*//' <<< "$line")
        if [ "$line" = renewd ]; then
            renewd > "$DIR/docs.out" 2>&1 &
            RENEWD_PID=$!
            check "README: renewd" wait_until 30 grep_ready
        else
            check "README: $line" sh -c "$line"
        fi
    done < "$DIR/block.sh"
    check_equal "README: its account is refreshed" 1 "$(sim_count google ok)"
}
grep_ready() { curl -sS -o /dev/null "http://127.0.0.1:$PORT/readyz" 2> /dev/null && [ "$(curl -sS -o /dev/null -w '%{http_code}' "http://127.0.0.1:$PORT/readyz")" = 200 ]; }

# README shows the answer below the call.
token_call() {
    as_shown "$1" | head -n 1 > "$DIR/block.sh"
    check_match "README: a token is asked for" '^\{"access_token":"[^"]+","expires_at":"[^"]+Z","generation":[0-9]+\}$' "$(sh "$DIR/block.sh" 2> /dev/null)"
}

forward_call() {
    as_shown "$1" > "$DIR/block.sh"
    check_match "README: a call is forwarded" '"Account"' "$(sh "$DIR/block.sh" 2> /dev/null)"
}
events_call() {
    as_shown "$1" > "$DIR/block.sh"
    printf '{"event_name":"Purchase","event_time":%s,"event_id":"p-1","action_source":"phone_call","user_data":{"em":"a@example.com"}}' \
        "$(date +%s)" > "$DIR/purchase.json"
    check_match "README: events are handed in" '"event_id":"p-1","duplicate":false' "$(cd "$DIR" && sh "$DIR/block.sh" 2> /dev/null)"
    check "README: and arrive" wait_until 30 event_arrived
}
event_arrived() { sim_get 'events?format=tsv' | cut -f 3 | grep -qx p-1; }

# ---- plugins ----

build_plugin() {
    command -v pkg-config > /dev/null || { left "README.md" "pkg-config is not installed"; return; }
    mkdir -p "$DIR/plugin" "$DIR/plugin/plugins"
    sed 's/skeleton/acme/g' "$TOP/plugins/skeleton.c" > "$DIR/plugin/acme.c"
    sed -e "s,^includedir=.*,includedir=$TOP/include," -e "s,^plugindir=.*,plugindir=$DIR/plugin/plugins," "$BUILD/renewd.pc" > "$DIR/plugin/renewd.pc"
    sed 's/^renewctl describe acme$/true/' "$DIR/blocks/$1" > "$DIR/block.sh"
    check "README: a plugin of your own" env PKG_CONFIG_PATH="$DIR/plugin" sh -ec "cd $DIR/plugin && . $DIR/block.sh"
    check "README: it is where plugins are" test -s "$DIR/plugin/plugins/acme.so"
}

# The manual's callbacks, with what the text around them has said of struct acme.
compile_examples() {
    { printf '#include <renewd/plugin.h>\n#include <string.h>\nstruct acme { const struct renewd_services *services; const char *events_url; };\n'
      cat "$DIR/blocks/$1"
      sed -n 's/^ *static int32_t \(acme_[a-z_]*\)(.*/void *used(void); void *used(void) { return (void *)(long)\&\1; }/p' "$DIR/blocks/$1"
    } > "$DIR/example.c"
    check "manual: $(sed -n 's/.*\(acme_[a-z]*_[a-z]*\)(.*/\1/p' "$DIR/blocks/$1" | head -n 1) compiles" \
        ${CC:-cc} -std=c99 -Wall -Werror -Wno-unused-function -I"$TOP/include" -fsyntax-only "$DIR/example.c"
}

manual_job() {
    mkdir -p "$DIR/manual/conf.d"
    awk -v dir="$DIR/manual" '/^# renewd.conf/ { out = dir "/renewd.conf" } /^# conf.d/ { out = dir "/conf.d/acme.conf" } { print > out }' "$DIR/blocks/$1"
    sed -i 's/"credential:renewd-key"/"env:RENEWD_TEST_KEY"/' "$DIR/manual/renewd.conf"
    printf 'plugin_dir = "%s";\n' "$PLUGIN_DIR" >> "$DIR/manual/renewd.conf"
    check "manual: its whole example has no mistake" env ACME_CLIENT_ID=a ACME_CLIENT_SECRET=b "$RENEWD" -c "$DIR/manual/renewd.conf" --check
}

# ---- moving ----

# Against tables as pg_cron has them: the statements are right, pg_cron itself is in test_pg_cron.
moving_sql() {
    if [ -z "${moving_store:-}" ]; then
        make_store postgresql
        moving_store=$DSN
        sql_file "$TOP/sql/postgresql/free_plan.sql" > /dev/null 2>&1
        sql "create schema cron; create table cron.job (jobid bigint, jobname text, schedule text, command text, active boolean);
             create function cron.alter_job(job_id bigint, active boolean default null) returns void language sql as 'select null::void';
             create function cron.unschedule(job_name text) returns boolean language sql as 'select true'"
    fi
    DSN=$moving_store
    check "moving: $(head -n 1 "$DIR/blocks/$1")" sql_file "$DIR/blocks/$1"
}

names_files() {
    local name
    for name in $(grep -oE '[a-z_-]+\.(sql|conf)' "$DIR/blocks/$1"); do
        check "moving: $name is shipped" test -e "$TOP/conf.d/$name" -o -e "$TOP/sql/postgresql/$name"
    done
}

# ---- what is shipped ----

left_count=0
left() { # FILE REASON
    left_count=$((left_count + 1))
    echo "# not run: $1: $2"
}

blocks() {
    local number file first what run=0
    blocks_made=0
    : > "$DIR/blocks.tsv"
    for file in README.md man/renewd.8 man/renewctl.1 man/renewd.conf.5 man/renewd-job.5 man/renewd-api.7 man/renewd-plugin.3 man/renewd-moving.7; do extract "$file"; done
    while IFS=$'\t' read -r number file first; do
        what=$(WANT="$file|$first|" what_of "$file" "$first")
        case $what in
            '') not_ok "docs: a block of $file is run" "nobody runs the one that begins: $first" ;;
            left:*) left "$file, $first" "${what#left: }" ;;
            *) run=$((run + 1)); "$what" "$number" ;;
        esac
    done < "$DIR/blocks.tsv"
    check_equal "docs: $run blocks are run, $left_count are left with a reason; none is unknown, and none here is gone" \
        "$(table | wc -l)" $((run + left_count))
}

# Each word behind renewctl in README's table is a command that it knows.
commands() {
    local word
    for word in $("$RENEWCTL" --help 2>&1 | grep -oE '^ +[a-z-]+' | tr -d ' ' | sort -u) end; do echo "$word"; done > "$DIR/known"
    for word in $(sed -n '/^## The programs/,/^## Providers/p' "$TOP/README.md" | grep '^|' | grep -oE '`[a-z]+( [a-z-]+)?' | tr -d '`' |
        awk '{ print $1 == "renewctl" || $1 == "renewd" ? $2 : $1 }' | grep . | sort -u); do
        check "README: $word is a command" grep -qx -- "$word" "$DIR/known"
    done
}

# Every job as it is shipped, all together, with the secrets that they name.
jobs() {
    local name
    make_store postgresql
    forget_renewd
    write_conf
    cp "$TOP"/conf.d/*.conf "$DIR/conf.d/"
    cp -r "$TOP/sql" "$DIR/sql"
    export SHOPIFY_CLIENT_SECRET=hush-shopify
    for name in $(grep -ohE 'env:[A-Z_]+' "$TOP"/conf.d/*.conf | sed 's/env://' | sort -u); do
        [ -n "${!name:-}" ] || export "$name=hush-of-this-test"
    done
    check "conf.d: every job as it is shipped has no mistake" "$RENEWD" -c "$CONF" --check
}

tables() {
    local store file
    for store in sqlite postgresql; do
        make_store $store
        for file in "$TOP"/sql/$store/*.sql; do
            case $file in */grants-* | */functions.sql) continue ;; esac # test_grants applies these
            check "sql/$store/$(basename "$file"): applied as it is" sql_file "$file"
            check "sql/$store/$(basename "$file"): and again" sql_file "$file"
        done
    done
}

unit() {
    if ! command -v systemd-analyze > /dev/null; then
        left contrib/renewd.service "systemd-analyze is not installed"
        return
    fi
    sed -e "s,/usr/sbin/renewd,$RENEWD," -e "s,/usr/bin/renewctl,$RENEWCTL," -e 's/^User=.*/User=root/' -e 's/^Group=.*/Group=root/' \
        "$TOP/contrib/renewd.service" > "$DIR/renewd.service"
    check_equal "contrib/renewd.service: systemd knows each of its lines" '' \
        "$(systemd-analyze verify --man=no "$DIR/renewd.service" 2>&1 | grep -F renewd.service | grep -iE 'unknown|failed|invalid|bad ')"
}

# Nothing that is shipped is used by nobody.
shipped_files() {
    local file
    for file in $(cd "$TOP" && find conf.d sql contrib -type f ! -name '*.am' | sort); do
        case $file in
            conf.d/*.conf | sql/*/*.sql | contrib/renewd.service) ;;
            sql/*/free_plan_alloc/*.sql) ;;                 # test_free_plan
            contrib/clients/renewd.* | contrib/reverse-proxy/nginx.conf) ;; # test_clients
            contrib/check | contrib/quickstart | contrib/install-deps) left "$file" "it builds, installs or runs everything" ;;
            *) not_ok "shipped: $file" "no test uses it" ;;
        esac
    done
    for file in clients/renewd reverse-proxy/nginx.conf; do
        check "shipped: test_clients runs $file" grep -q "contrib/$file" "$TOP/tests/e2e/test_clients.sh"
    done
}

start_simulator
programs
blocks
stop_renewd
commands
jobs
tables
unit
shipped_files
no_tokens_in_logs
finish
