#!/bin/bash
# SPDX-License-Identifier: MIT
# A week of TikTok accounts whose access tokens live 2 hours, Lightspeed accounts of 30 minutes and Instagram
# accounts, through the shipped jobs: schedules and "auto". The clock, renewd's and the provider's, goes from
# one due time to the next, stops five minutes late, and at each tick. At each stop, before renewd runs, every
# token of the database is held against the provider: it is found expired when it is not the account's live
# one. Beside them the same accounts again in jobs with the cron lines alone, which run at their ticks. A week
# on SQLite, two days on PostgreSQL.
# shellcheck disable=SC2034
IN_MEMORY=yes
. "$(dirname "$0")/lib.sh"

export TIKTOK_CLIENT_KEY_ALYAN=key-1 TIKTOK_CLIENT_SECRET_ALYAN=hush-tiktok \
    LIGHTSPEED_CLIENT_ID=client-1 LIGHTSPEED_CLIENT_SECRET=hush-lightspeed \
    INSTAGRAM_APP_SECRET_ALYAN=hush-instagram HEX_KEY=$RENEWD_TEST_KEY
START=1796601600 # 2026-12-07 00:00 UTC, a Monday
HOUR=3600 DAY=86400 LATE=300
TABLES='airpublisher_tiktok_tokens lightspeed_connections airpublisher_instagram_tokens'

# --- the stage -----------------------------------------------------------------------------------

# jobs FOLDER [cron]: the shipped files; with "cron" for the other tables and without "auto".
jobs() {
    local name
    mkdir -p "$DIR/$1"
    for name in tiktok lightspeed instagram; do
        sed -e "s,^settings = {,&\n    base_url = \"$SIM_URL/$name\";," -e 's/^pace = .*/pace = "0ms";/' \
            -e '/^functions/d' "$TOP/conf.d/$name.conf" > "$DIR/$1/$name.conf"
        [ -z "${2:-}" ] || sed -i -e '/^legacy_name/d' -e 's/^\(job = "[a-z]*\)/\1-cron/' -e 's/, "auto"//' \
            -e 's/\(table = "[a-z_]*\)/\1_cron/' "$DIR/$1/$name.conf"
    done
}

copies() { # the same tables once more, for the jobs by cron alone
    local t
    for t in $TABLES; do
        if [ "$STORE" = postgresql ]; then sql "create table ${t}_cron (like $t including all)"
        else sql "$(sql "select replace(sql, '$t', '${t}_cron') from sqlite_master where name = '$t'")"; fi
    done
}

time_sql() {
    if [ "$STORE" = sqlite ]; then echo "$1"; else echo "to_timestamp($1)"; fi
}

# load PROVIDER NAME MEMBERS SUFFIX [EXPIRES]: an account, and its row as the application writes it.
load() {
    local account access refresh expires sealed
    IFS=$'\t' read -r account access refresh expires <<< "$(sim 'accounts?format=tsv' \
        "{\"provider\":\"$1\",\"account\":\"$2$4\",$3}")"
    expires=$(time_sql "$expires")
    case $1 in
        tiktok) sql "insert into airpublisher_tiktok_tokens$4 (creator_unique_identifier, tiktok_access_token,
                tiktok_refresh_token, expires_at) values ('$account', '$access', '$refresh', $expires)" ;;
        instagram) sql "insert into airpublisher_instagram_tokens$4 (creator_unique_identifier,
                instagram_access_token, expires_at) values ('$account', '$access', ${5:-$expires})" ;;
        lightspeed)
            mapfile -t sealed < <(printf '%s\n' "$access" "$refresh" | "$BUILD/tests/e2e/hex_seal" seal)
            sql "insert into lightspeed_connections$4 (user_id, account_id, account_name, access_token_encrypted,
                refresh_token_encrypted, token_expires_at) values
                ('00000000-0000-4000-8000-00000000000${account//[!0-9]/}', '$account', '$account',
                '${sealed[0]}', '${sealed[1]}', $expires)" ;;
    esac
}

accounts() { # SUFFIX
    local n
    for n in 1 2; do load tiktok "tiktok-$n" '"age":0,"expires_in":7200,"refresh_expires_in":15552000' "$1"; done
    for n in 1 2; do load lightspeed "lightspeed-$n" '"age":0' "$1"; done
    load instagram "instagram-near" "\"age\":$((54 * DAY))" "$1"
    load instagram "instagram-far" "\"age\":$((10 * DAY))" "$1"
    # What the day of age holds back: an end that nobody knows, a short-lived token, lives of 40 hours.
    load instagram "instagram-unknown" "\"age\":$((3 * HOUR))" "$1" null
    load instagram "instagram-short" '"age":600,"expires_in":3600' "$1"
    load instagram "instagram-brief" "\"age\":$((25 * HOUR)),\"expires_in\":$((40 * HOUR))" "$1"
}

stage() { # STORE
    make_store "$1" || exit 1
    forget_renewd
    rm -rf "$DIR/state-cron" "$DIR/conf.d-cron"
    write_conf
    sed -e 's/"conf.d"/"conf.d-cron"/' -e 's/state_dir = "state"/state_dir = "state-cron"/' \
        -e "s,$SOCKET,$DIR/cron.sock," "$CONF" > "$DIR/cron.conf"
    mkdir -m 700 "$DIR/state-cron"
    sim reset '{}' > /dev/null
    sim clock "{\"now\":$START}" > /dev/null
    sql_file "$TOP/sql/$1/airpublisher.sql" > /dev/null 2>&1 || exit 1
    sql_file "$TOP/sql/$1/lightspeed.sql" > /dev/null 2>&1 || exit 1
    copies
    jobs conf.d
    jobs conf.d-cron cron
    accounts ''
    accounts _cron
}

# --- the week ------------------------------------------------------------------------------------

# Every account and its access token as the database has it, and when a record of "auto" is due next.
read_database() {
    local t all=''
    for t in '' _cron; do
        all="$all select creator_unique_identifier, tiktok_access_token from airpublisher_tiktok_tokens$t
            union all select account_name, access_token_encrypted from lightspeed_connections$t
            union all select creator_unique_identifier, instagram_access_token from airpublisher_instagram_tokens$t
            union all"
    done
    sql_tsv "$all select 'due', cast(coalesce(min(case when point > not_before then point else not_before end), 0)
        as text) from $(own records) where job in ('tiktok', 'lightspeed') and point > 0" > "$DIR/database.tsv"
}

declare -A opened live expired
# The token as the application reads it, in PLAIN.
open_token() {
    PLAIN=$1
    [[ $1 == *:*:* ]] || return 0
    [ -n "${opened[$1]:-}" ] || opened[$1]=$("$BUILD/tests/e2e/hex_seal" open <<< "$1")
    PLAIN=${opened[$1]}
}

# look TIME: moves the provider's clock there, and counts the tokens that are not live.
look() {
    local account access rest
    curl -sSk --fail-with-body --max-time 60 -d "{\"now\":$1}" -o /dev/null "$SIM_URL/_sim/clock" \
        --next -sSk --fail-with-body "$SIM_URL/_sim/accounts?format=tsv" > "$DIR/truth.tsv" || exit 1
    live=()
    while IFS=$'\t' read -r account access rest; do
        live[$account]=${access:-none}
    done < "$DIR/truth.tsv"
    while IFS=$'\t' read -r account access; do
        [ "$account" != due ] || continue
        open_token "$access"
        [ "$PLAIN" = "${live[$account]:-}" ] || expired[$account]=$((${expired[$account]:-0} + 1))
    done < "$DIR/database.tsv"
    looks=$((looks + 1))
}

next_stop() { # AFTER: a minute after what is due next, or the next tick if that comes first
    local due tick=$((($1 / (6 * HOUR) + 1) * 6 * HOUR))
    due=$(tail -n 1 "$DIR/database.tsv")
    due=$((${due#*$'\t'} + LATE))
    [ $due -gt "$1" ] || due=$(($1 + LATE))
    if [ $due -lt $tick ]; then now=$due; else now=$tick; fi
}

own_times() { # the jobs with "auto"
    run_at_time "$now" --once tiktok lightspeed || broken="$broken $now"
    runs=$((runs + 1))
}

at_tick() { # all jobs, each by itself what its schedule says: TikTok's every 12 hours, the others' every 6
    local jobs=(lightspeed-cron instagram-cron)
    run_at_time "$now" --once || broken="$broken $now"
    runs=$((runs + 1))
    [ $((now % (12 * HOUR))) != 0 ] || jobs+=(tiktok-cron)
    clock_at "$now" "$RENEWD" -c "$DIR/cron.conf" --once "${jobs[@]}" >> "$DIR/renewd.all" 2>&1 ||
        broken="$broken $now-cron"
}

live_through() { # DAYS
    local end=$((START + $1 * DAY))
    now=$START looks=0 runs=0 broken=''
    expired=() opened=()
    while [ "$now" -le $end ]; do
        [ "$now" = $START ] || look "$now"
        if [ $((now % (6 * HOUR))) = 0 ]; then at_tick; else own_times; fi
        read_database
        next_stop "$now"
    done
}

# --- what came of it -----------------------------------------------------------------------------

found() { # PREFIX SUFFIX: how often one of these accounts was found expired
    local account n=0
    for account in "${!expired[@]}"; do
        [[ $account =~ ^$1-[0-9a-z]+$2$ ]] && n=$((n + ${expired[$account]}))
    done
    echo $n
}

column() { # NUMBER PREFIX SUFFIX: "fewest most sum" of it over the accounts
    awk -F '\t' -v like="^$2-[0-9a-z]+$3\$" -v column="$1" '$1 ~ like {
            if (!n++ || $column < least) least = $column
            if ($column > most) most = $column
            sum += $column
        } END { print least + 0, most + 0, sum + 0 }' "$DIR/end.tsv"
}
PRESENTED=5 REFUSED=6 GRANTED=7

tell() { # STORE DAYS KIND ACCOUNTS
    local least most cron_least cron_most
    read -r least most _ <<< "$(column $GRANTED "$3" '')"
    read -r cron_least cron_most _ <<< "$(column $GRANTED "$3" _cron)"
    echo "# $1, $2 days, $4 $3 accounts: $least to $most requests each, found expired $(found "$3" '') of" \
        "$((looks * $4)) times; by the cron lines alone $cron_least to $cron_most requests, found expired" \
        "$(found "$3" _cron) of $((looks * $4)) times"
}

# rotating STORE DAYS KIND LEAST MOST: requests a day, by the window that the plugin states.
rotating() {
    local s="$1, $2 days, $3" least most sum
    read -r least most sum <<< "$(column $GRANTED "$3" '')"
    check_equal "$s: never found expired" 0 "$(found "$3" '')"
    check "$s: as many requests as the lives ask for ($least to $most)" \
        test "$least" -ge $(($4 * $2)) -a "$most" -le $(($5 * $2))
    check_equal "$s: nothing was asked in vain" "$sum" "$(column $PRESENTED "$3" '' | cut -d ' ' -f 3)"
    check_equal "$s: no spent token was presented" 0 "$(column $REFUSED "$3" '' | cut -d ' ' -f 3)"
    check "$s: the cron line alone leaves them expired most of the time" \
        test $((2 * $(found "$3" _cron))) -gt $((looks * $6))
}

granted() { # ACCOUNT: how often
    awk -F '\t' -v account="$1" -v column=$GRANTED '$1 == account { print $column }' "$DIR/end.tsv"
}

a_day_old() { # STORE DAYS
    local s="$1, $2 days, instagram" name
    check_equal "$s: never found expired" 0 "$(found instagram '')"
    check_equal "$s: no token under a day old was ever asked for" '0 0' \
        "$(column $REFUSED instagram '' | cut -d ' ' -f 3) $(column $REFUSED instagram _cron | cut -d ' ' -f 3)"
    for name in near unknown short; do
        check_equal "$s: $name is refreshed once" 1 "$(granted instagram-$name)"
    done
    check_equal "$s: one that is far from its end is not" 0 "$(granted instagram-far)"
    check_equal "$s: one of unknown age when it is a day old, within six hours" 1 "$(sql "select count(*)
        from $(own attempts) where rkey = 'instagram-unknown' and outcome = 'ok'
        and finished_at between $((START + DAY)) and $((START + 30 * HOUR + 60))")"
    check "$s: one that lives for 40 hours whenever it is a day old ($(granted instagram-brief) times)" \
        test "$(granted instagram-brief)" -ge $((($2 * 24 + 29) / 30)) -a "$(granted instagram-brief)" -le $(($2 + 1))
}

week() { # STORE DAYS
    stage "$1"
    live_through "$2"
    sim_get 'accounts?format=tsv' > "$DIR/end.tsv"
    echo "# $1, $2 days: renewd ran $runs times, at each tick and five minutes after each due time; the tokens" \
        "were looked at $looks times, always just before"
    tell "$1" "$2" tiktok 2
    tell "$1" "$2" lightspeed 2
    tell "$1" "$2" instagram 5
    # The first run exchanges what may be short-lived; the one of unknown age turns out not to be, and waits for a day.
    # Whether that day is over at the tick a day later is a matter of the seconds that the first run took.
    broken=$(sed -E "s/ $((START + DAY))(-cron)?//g" <<< "$broken")
    check_equal "$1, $2 days: every run succeeds in which none waits after a failure" \
        "$(for n in 0 6 12 18; do printf ' %s %s-cron' $((START + n * HOUR)) $((START + n * HOUR)); done)" "$broken"
    rotating "$1" "$2" tiktok 21 49 2
    rotating "$1" "$2" lightspeed 58 117 2
    a_day_old "$1" "$2"
}

days=7 # under the sanitizers fewer: each is like the others
! grep -q libasan <<< "$(ldd "$RENEWD")" || days=3
start_simulator
week sqlite "${DAYS:-$days}"
[ -n "${DAYS:-}" ] || week postgresql 2
no_tokens_in_logs
finish
