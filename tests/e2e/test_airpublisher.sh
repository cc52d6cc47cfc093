#!/bin/bash
# SPDX-License-Identifier: MIT
# A publisher's YouTube, Instagram and TikTok accounts through the shipped jobs and tables, on both stores:
# when they run, what is due and in which order, ten a run whatever fails, what a run leaves in history and
# log, the names that monitoring knows, and why nothing is refreshed.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/shipped.sh"

stage() { # STORE
    main_shell stage || return 1
    make_store "$1" || exit 1
    forget_renewd
    sim reset '{}' > /dev/null
    sim clients '{"provider":"instagram","client_id":"app","client_secret":"hush-instagram"}' > /dev/null
    write_conf
    sql_file "$TOP/sql/$STORE/airpublisher.sql" > /dev/null 2>&1 || not_ok "$1: the schema"
}

at_time() { # UNIX: as the tables have it
    if [ "$STORE" = sqlite ]; then echo "$1"; else echo "to_timestamp($1)"; fi
}

expires() { # JOB ACCOUNT UNIX
    sql "update airpublisher_$1_tokens set expires_at = $(at_time "$3") where creator_unique_identifier = '$2'" > /dev/null
}

done_of() { # PROVIDER: the accounts that were refreshed, in the order of their names
    sim_get "accounts?provider=$1&format=tsv" | awk -F '\t' '$7 > 0 { print $1 }' | sort | tr '\n' ' ' | sed 's/ $//'
}

run_row() { # of the newest run
    sql "select due, refreshed, failed from $(own runs) order by id desc limit 1"
}

# --- what is due, and when ------------------------------------------------------------------------

next_of() { # JOB: its next run, in Unix seconds
    date -u -d "$(ctl --json explain "$1" | json '$.next_run_at')" +%s
}

# check_next NAME JOB SECONDS: it runs at the next multiple of them; the hour may turn while we ask.
check_next() {
    local before at
    before=$(($(date +%s) / $3 * $3 + $3))
    at=$(next_of "$2")
    check "$1 ($at)" test "$at" = $before -o "$at" = $(($(date +%s) / $3 * $3 + $3))
}

schedule_of() { # JOB: as written, and in which zone
    ctl --json jobs | tr -d '\n' | grep -o "\"job\":\"$1\".*" | grep -o '"\(schedule\|timezone\)":"[^"]*"' | head -n 2 |
        cut -d '"' -f 4 | paste -sd '|'
}

schedules() { # STORE
    local s="$1, schedules"
    stage "$1"
    shipped youtube
    shipped instagram
    shipped tiktok
    shipped instagram-facebook
    check "$s: the shipped jobs have no mistake" run_renewd --check
    TZ=Asia/Kolkata start_renewd # half an hour beside UTC, which must not matter
    check "$s: up" wait_until 20 ctl explain tiktok
    check_equal "$s: the names that monitoring knows" \
        'refresh-expired-instagram-tokens refresh-expired-tiktok-tokens refresh-expired-youtube-tokens' \
        "$(ctl --json jobs | grep -o '"legacy_name":"[^"]*"' | cut -d '"' -f 4 | sort | tr '\n' ' ' | sed 's/ $//')"
    check_no_match "$s: Facebook Login is off as shipped" '^instagram-facebook ' "$(ctl jobs)"
    check_match "$s: which is said" 'instagram-facebook is disabled \(enabled = false\)' "$(ctl jobs)"
    check_next "$s: YouTube every ten minutes" youtube 600
    check_equal "$s: as shipped" '*/10 * * * *, auto|UTC' "$(schedule_of youtube)"
    check_next "$s: Instagram every six hours, in UTC" instagram 21600
    check_equal "$s: as shipped" '0 */6 * * *, auto|UTC' "$(schedule_of instagram)"
    check_next "$s: TikTok every twelve hours, in UTC" tiktok 43200
    check_equal "$s: as shipped" '0 */12 * * *, auto|UTC' "$(schedule_of tiktok)"
    shipped youtube -e 's/^schedule = .*/schedule = "0 0 1 1 *";/'
    check "$s: a schedule is changed by reload" ctl reload
    check_match "$s: and holds" '"next_run_at":"20[0-9][0-9]-01-01T00:00:00Z"' "$(ctl --json explain youtube | tr -d ' ')"
    stop_renewd
}

due() { # STORE: at a tick of YouTube's
    local s="$1, due" tick
    stage "$1"
    shipped youtube
    tick=$(($(date +%s) / 600 * 600))
    creators youtube 6 yt
    expires youtube yt-1 $((tick - 86400))
    expires youtube yt-2 $((tick + 290))
    expires youtube yt-3 $((tick + 700))
    sql "update airpublisher_youtube_tokens set expires_at = null where creator_unique_identifier = 'yt-4'" > /dev/null
    expires youtube yt-5 $((tick + 1300))
    expires youtube yt-6 $((tick + 3500))
    check "$s: a run at a tick" run_at_time $tick --once
    check_equal "$s: expired, about to, before the next tick, unknown; no other" 'yt-1 yt-2 yt-3 yt-4' "$(done_of google)"
    check_equal "$s: the run's row" '4|4|0' "$(run_row)"
    check_equal "$s: five minutes before its end at the latest" 300 \
        "$(sql "select expires_at - latest from $(own records) where rkey = 'yt-6'")"
    check_equal "$s: one line for each" 4 "$(grep -c 'msg="record refreshed" job=youtube record=yt-[1-4] ' "$DIR/renewd.log")"
}

# The other two as shipped: a week (and up to a day more, so that they spread) and a day ahead, or what ends so
# before the next tick.
due_ahead() { # STORE
    local s="$1, due ahead" tick
    stage "$1"
    shipped instagram
    shipped tiktok -e 's/^schedule = .*/schedule = "0 *\/12 * * *";/'
    tick=$(($(date +%s) / 43200 * 43200))
    creators instagram 3 ig
    expires instagram ig-1 $((tick + 7 * 86400 - 3600))
    expires instagram ig-2 $((tick + 7 * 86400 + 18000))
    expires instagram ig-3 $((tick + 8 * 86400 + 25200))
    creators tiktok 4 tt
    expires tiktok tt-1 $((tick + 86400 - 3600))
    expires tiktok tt-2 $((tick + 86400 + 39600))
    expires tiktok tt-3 $((tick + 86400 + 46800))
    sql "update airpublisher_tiktok_tokens set expires_at = null where creator_unique_identifier = 'tt-4'" > /dev/null
    check "$s: a run at a tick" run_at_time $tick --once
    check_equal "$s: Instagram: within a week, so before the next tick; no other" 'ig-1 ig-2' "$(done_of instagram)"
    check_equal "$s: TikTok: within a day, so before the next tick, unknown; no other" 'tt-1 tt-2 tt-4' "$(done_of tiktok)"
}

order() { # STORE: twelve are due, those that die first are the last by name
    local s="$1, order" now i
    stage "$1"
    shipped youtube
    now=$(date +%s)
    creators youtube 30 o
    for ((i = 1; i <= 30; i++)); do expires youtube "o-$i" $((now - i)); done
    check_fails "$s: a run, which leaves twenty over" run_renewd --once
    check_match "$s: it says so" 'youtube: not well: 20 are due still \(limit = 10\)' "$(cat "$DIR/renewd.log")"
    check_equal "$s: ten a run, soonest death first" "$(seq -f 'o-%g' 21 30 | sort | tr '\n' ' ' | sed 's/ $//')" "$(done_of google)"
    check_equal "$s: the run's row tells of all that were due" '30|10|0' "$(run_row)"
    run_renewd --once
    check_equal "$s: then the next ten" "$(seq -f 'o-%g' 11 30 | sort | tr '\n' ' ' | sed 's/ $//')" "$(done_of google)"
}

healthy_left() { sim_get 'accounts?provider=google&format=tsv' | awk -F '\t' '$1 ~ /^z/ && $7 == 0' | wc -l; }

# Fifteen that always fail die sooner than fifteen healthy ones and come first by name.
crowd() { # STORE
    local s="$1, crowd" now i rows=''
    stage "$1"
    shipped youtube
    now=$(date +%s)
    creators youtube 15 a
    creators youtube 15 z
    for ((i = 1; i <= 15; i++)); do
        expires youtube "a-$i" $((now - 90000 - i))
        sim misbehave "{\"mode\":\"status\",\"provider\":\"google\",\"account\":\"a-$i\",\"count\":-1}" > /dev/null
    done
    for ((i = 0; i < 5; i++)); do
        run_at_time $((now + i * 7200)) --once
        rows="$rows$(run_row | cut -d '|' -f 2-) "
    done
    check_equal "$s: within five runs of ten all healthy ones had their turn ($rows)" 0 "$(healthy_left)"
    for ((i = 5; i < 9; i++)); do run_at_time $((now + i * 7200)) --once; done
    check_match "$s: those that fail take half of a run and no more" '\|([0-9]|10)\|5$' "$(run_row)"
    check_equal "$s: they are tried again and again" 15 "$(sql "select count(*) from $(own records) where attempts > 1")"
}

one_fails() { # STORE
    local s="$1, one fails"
    stage "$1"
    shipped tiktok
    creators tiktok 5 tt
    sim revoke '{"provider":"tiktok","account":"tt-3"}' > /dev/null
    run_renewd --once
    check_equal "$s: --once exits 1" 1 $?
    check_equal "$s: the run went on" 'tt-1 tt-2 tt-4 tt-5' "$(done_of tiktok)"
    check_equal "$s: its row" '5|4|1' "$(run_row)"
    check_equal "$s: one line for each success" 4 "$(grep -c 'level=info msg="record refreshed" job=tiktok' "$DIR/renewd.log")"
    check_equal "$s: and one for the failure" 1 "$(grep -c 'msg="record not refreshed" job=tiktok record=tt-3 .*outcome=reconnect' "$DIR/renewd.log")"
    check_equal "$s: it is recorded" 'tt-3|reconnect|invalid_grant' \
        "$(sql "select rkey, outcome, code from $(own attempts) where outcome <> 'ok'")"
}

# --- why nothing is refreshed ---------------------------------------------------------------------

explained() { # COUNT REGEX: explain says so
    ctl explain youtube | grep -Eq "^ +$1  $2"
}

says() { # NAME COUNT REGEX
    if wait_until 10 explained "$2" "$3"; then ok "$1"; else not_ok "$1" "$(ctl explain youtube)"; fi
}

# The lease of one record, held by another host.
lease() { # ACCOUNT
    local until='cast(strftime('"'%s', 'now'"') as integer) + 900'
    [ "$STORE" = sqlite ] || until='floor(extract(epoch from now()))::bigint + 900'
    sql "insert into $(own credentials) (fingerprint, plugin, lease_host, lease_incarnation, attempt_id, lease_until,
            created_at) select fingerprint, 'youtube', 'otherhost', 'other', '00000000000000000000000000000001', $until, 0
        from $(own records) where rkey = '$1'
        on conflict (fingerprint) do update set lease_host = 'otherhost', lease_incarnation = 'other',
            attempt_id = '00000000000000000000000000000001', lease_until = excluded.lease_until" > /dev/null
}

explain() { # STORE
    local s="$1, explain" now year
    stage "$1"
    sql "alter table airpublisher_youtube_tokens add column plan text" > /dev/null
    shipped youtube -e 's/^schedule = .*/schedule = "0 0 1 1 *";/' -e 's/^    sealed = /    only = { plan = "paid"; };\n&/'
    now=$(date +%s)
    year=$(($(date +%Y) + 2))
    creators youtube 30 e
    sql "update airpublisher_youtube_tokens set plan = 'paid', expires_at = $(at_time "$(date -u -d $year-07-01 +%s)")" > /dev/null
    sql "update airpublisher_youtube_tokens set plan = 'free' where creator_unique_identifier in ('e-1', 'e-2', 'e-3')" > /dev/null
    sql "update airpublisher_youtube_tokens set google_refresh_token = null where creator_unique_identifier in ('e-4', 'e-5')" > /dev/null
    start_ready || exit 1
    says "$s: left out by \`only\`" 3 'left out by .only.'
    says "$s: without refresh token" 2 'without credential: refresh_token is empty'
    says "$s: none due until a day" 25 "not due yet, none until $year-01-01T00:00:00Z"
    check_match "$s: one record: not due" "^not due: its time is $year-0[67]-" "$(ctl explain youtube e-9)"
    check_match "$s: one record: without" '^without credential' "$(ctl explain youtube e-4)"
    check_match "$s: one record: left out" 'no record e-1.*.only. leaves it out' "$(ctl explain youtube e-1 2>&1)"
    stop_renewd
    sql "update airpublisher_youtube_tokens set expires_at = $(at_time $((now - 60))) where creator_unique_identifier <> 'e-9'" > /dev/null
    start_ready || exit 1
    says "$s: over the limit" 14 'due, but over the limit of 10 a run'
    check_match "$s: one record: due" '^due: the next run takes it' "$(ctl explain youtube e-20)"
    lease e-20
    says "$s: leased elsewhere" 1 'leased elsewhere'
    says "$s: and no longer over the limit" 13 'due, but over the limit'
    check_match "$s: one record: leased elsewhere" '^leased elsewhere until 20' "$(ctl explain youtube e-20)"
    sql "update $(own credentials) set lease_until = $((now - 60)) where lease_host is not null" > /dev/null
    says "$s: a lease that is over is nobody's, where replay is safe" 14 'due, but over the limit'
    check_match "$s: one record: the same" '^due: the next run takes it' "$(ctl explain youtube e-20)"
    sql "update $(own credentials) set lease_until = $((now + 600)) where lease_host is not null" > /dev/null
    ctl pause youtube > /dev/null
    says "$s: paused" 23 'due, but paused'
    check_match "$s: one record: paused" '^paused, with its job' "$(ctl explain youtube e-21)"
    ctl resume youtube > /dev/null
    check_match "$s: ten are taken" 'refreshed 10, failed 0' "$(ctl run youtube)"
    check_equal "$s: the leased one is not presented" 0 "$(sim_account google e-20 presented)"
    stop_renewd
}

# --- a TikTok token of two hours, and Instagram's short ones -----------------------------------------

two_hours() { # STORE: a day by "auto", the application using what the table holds
    local s="$1, two hours" now step late=''
    stage "$1"
    shipped tiktok
    now=$(($(date +%s) / 43200 * 43200))
    sim clock "{\"now\":$now}" > /dev/null
    creators tiktok 3 tt '"age":0,"expires_in":7200'
    sim lives '{"provider":"tiktok","expires_in":7200}' > /dev/null
    for ((step = 0; step <= 48; step++)); do
        sim clock "{\"now\":$((now + step * 1800))}" > /dev/null
        run_at_time $((now + step * 1800)) --once || late="$late failed-$step"
        [ "$(sql "select count(*) from airpublisher_tiktok_tokens where expires_at <= $(at_time $((now + step * 1800)))")" = 0 ] ||
            late="$late $step"
    done
    check_equal "$s: no token is ever found expired" '' "$late"
    check_equal "$s: and no spent refresh token is presented" 0 "$(sim_count tiktok reuse)"
}

short_lived() { # STORE
    local s="$1, short-lived"
    stage "$1"
    shipped instagram
    shipped instagram-facebook
    creators instagram 1 short '"age":600,"expires_in":3600'
    sql "insert into airpublisher_instagram_tokens (creator_unique_identifier, facebook_access_token, expires_at)
         values ('fb', 'EAAinvented', $(at_time $(($(date +%s) + 86400))))" > /dev/null
    check "$s: --once" run_renewd --once
    check_equal "$s: a short-lived token is exchanged" live \
        "$(sim_token "$(sql "select instagram_access_token from airpublisher_instagram_tokens where creator_unique_identifier = 'short-1'")" state)"
    check_equal "$s: for one of sixty days" 1 "$(sql "select count(*) from airpublisher_instagram_tokens
        where creator_unique_identifier = 'short-1' and expires_at > $(at_time $(($(date +%s) + 50 * 86400)))")"
    check_equal "$s: with the app's secret" 1 "$(sim_get 'log?n=20' | grep -c 'access_token')"
    check_equal "$s: Facebook's column is another job's, off as shipped" 'EAAinvented|0' "$(sql "select facebook_access_token
        from airpublisher_instagram_tokens where creator_unique_identifier = 'fb'")|$(sim_count facebook requests)"
}

start_simulator
for store in ${STORES:-sqlite postgresql}; do
    for part in ${PARTS:-schedules due due_ahead order crowd one_fails explain two_hours short_lived}; do $part $store; done
done
no_tokens_in_logs
finish
