#!/bin/bash
# SPDX-License-Identifier: MIT
# A limit or a pace that is too low: what has expired is not called ok, what is overdue is counted, the setting is named
# with the number that would do. The shipped jobs keep their limit and let nothing expire. What was refused, and is not
# believed to be (a suspect), has expired too once its token ends; a row that cannot be read is its own fault still.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"
. "$(dirname "$0")/shipped.sh"

states() { ctl --json jobs | json "\$.jobs[0].records.$1"; }

# Three accounts, one a run.
too_low() { # STORE
    local s="$1, limit"
    stage "$1"
    make_accounts_table tokens
    load_accounts strict tokens 3 low '"age":100000,"expires_in":86400'
    strict_job tokens tokens 'limit = 1; rescan = "1h";'
    sed -i 's/^schedule.*/schedule = "0 0 1 1 *";/' "$DIR/conf.d/tokens.conf"
    start_ready || exit 1
    check_equal "$s: expired is not ok" '0 3' "$(states ok) $(states expired)"
    check_match "$s: in the list of records" '^ *tokens +1 +low-1 .* expired ' "$(ctl records tokens)"
    check_equal "$s: which can be asked for" 3 "$(ctl --json records tokens --state expired | grep -o '"state":"expired"' | wc -l)"
    check_equal "$s: apart from ok" 0 "$(ctl --json records tokens --state ok | grep -o '"state"' | wc -l)"
    check_match "$s: one record" 'expired' "$(ctl show tokens 1)"
    check_match "$s: jobs counts what is overdue" '^job tokens: 3 overdue$' "$(ctl jobs)"
    [ "$s" != 'postgresql, limit' ] ||
        check_equal "$s: SQL says so too" 'expired|3' "$(sql 'select state, count(*) from renewd.record group by 1')"
    ctl run tokens > /dev/null
    check_no_match "$s: one run is none in a row" 'limit' "$(ctl jobs)"
    ctl run tokens > /dev/null
    check_match "$s: two are, and the number that would do is said" \
        'job tokens: 1 overdue: limit = 1 left 1 of 2 due records unrefreshed, in 2 runs in a row; limit = 2 is enough' "$(ctl jobs)"
    check_match "$s: in the log, too" 'level=warning msg="limit = 1 left 1 of 2 due' "$(cat "$DIR/renewd.all")"
    ctl run tokens > /dev/null
    check_equal "$s: then all are ok" '3 0' "$(states ok) $(states expired)"
    check_no_match "$s: and nothing is said any more" 'limit|overdue' "$(ctl jobs)"
    stop_renewd
}

is_shown() { # STORE "STATE..." of 1, 2 and 3: one by one, in the lists by state, in SQL
    local id=0 state view=renewd.record
    [ "$1" = postgresql ] || view=renewd_record
    for state in $2; do
        id=$((id + 1))
        [ "$(ctl --json show tokens $id | json '$.state')" = "$state" ] &&
            ctl --json records tokens --state "$state" | grep -qF "\"id\":\"$id\"" || return 1
    done
    [ "$(sql "select state from $view order by id" | tr '\n' ' ')" = "$2 " ]
}
row_says() { ctl --json show tokens "$1" | json "\$.$2" | grep -qE "$3"; } # ID MEMBER PATTERN

suspects() { # STORE
    local DOUBT=1 s="$1, suspects" past=1000000000
    [ "$1" = sqlite ] || past="'2020-01-01'"
    stage "$1"
    make_accounts_table tokens
    load_accounts strict tokens 3 sus '"age":10,"expires_in":86400'
    strict_job tokens tokens 'refresh_before = "2d"; rescan = "1s";' client-1 post \
        "$(accounts_records tokens | sed 's/sealed = "none"/sealed = "renewd"; accept_plain = true/')"
    sim misbehave '{"mode":"json","provider":"strict","status":400,"count":-1,"body":"{\"error\":\"invalid_grant\"}"}' > /dev/null
    start_ready || exit 1
    check "$s: while the tokens live" wait_until 60 is_shown "$1" 'misconfigured misconfigured misconfigured'
    check_equal "$s: so many are counted" '3 0' "$(states misconfigured) $(states expired)"
    check_no_match "$s: nothing is said to have ended" 'has ended' "$(ctl explain tokens 1)"
    sql "update tokens set expires_at = $past where id <> 2"
    check "$s: two have ended" wait_until 60 is_shown "$1" 'expired misconfigured expired'
    check_equal "$s: so many are counted then" '1 2' "$(states misconfigured) $(states expired)"
    check "$s: it is a suspect as before" row_says 1 last_error.code withheld
    check_match "$s: in the table, too" '^ *tokens +1 +sus-1 .* expired ' "$(ctl records tokens)"
    check "$s: explain says so" wait_until 60 explained 'tried again at .*; its access token has expired'
    sql "update tokens set refresh_token = 'eyJpdiI6IkVXYnBTZ' where id = 3"
    check "$s: a row that cannot be read is misconfigured, ended or not" \
        wait_until 60 is_shown "$1" 'expired misconfigured misconfigured'
    check "$s: (that one)" row_says 3 last_error.code row
    check "$s: (its token has ended)" row_says 3 expires_at '^20[02]'
    check_equal "$s: no other is listed" 1 "$(ctl --json records tokens --state expired | grep -o '"state"' | wc -l)"
    sim misbehave '{"clear":true}' > /dev/null
    check "$s: it is refreshed" ctl refresh tokens 1
    check "$s: and well" row_says 1 state ok
    stop_renewd
}
explained() { ctl explain tokens 1 | grep -qE "$1"; }

# The daemon alone lives on a clock that runs SPEED times as fast since FROM: at 60 a tick each second. A claim is good
# for a minute beside its requests, which is no second then: where a machine is too busy for that, it is given back and
# its run ends early. Then the clock runs slower.
SPEEDS=${SPEEDS:-60 20 6}
fast_ready() { # FROM [SPEED]
    FAST_CLOCK="$1 ${2:-60}" LD_PRELOAD=$BUILD/tests/e2e/.libs/fast_clock.so start_ready || exit 1
}
within() { wait_until $((3600 / $1)) "${@:2}"; } # SPEED COMMAND...
ticked() { [ "$(sql "select count(*) from $(own runs) where trigger = 'tick' and $2")" -ge "$1" ]; }
warned() { ctl jobs | grep -qE 'pace = '; }
not_warned() { ! warned; }
every_minute() { # COUNT MORE
    make_accounts_table tokens
    load_accounts strict tokens "$1" pace
    sim lives '{"provider":"strict","expires_in":172800}' > /dev/null
    strict_job tokens tokens "rescan = \"1h\"; http = { timeout = \"10m\"; }; $2"
    sed -i 's/^schedule.*/schedule = "* * * * *";/' "$DIR/conf.d/tokens.conf"
}

warned_or_over() { warned || first_is_over; }
first_is_over() { grep -q 'msg="run finished" job=tokens run=1 ' "$DIR/renewd.all"; }
all_or_some() { ticked 1 'refreshed > 0 and finished_at > 0'; }

# Twelve accounts, one in forty seconds, and a tick a minute.
too_slow() { # STORE
    local s="$1, pace" from speed
    for speed in $SPEEDS; do
        from=$(date +%s)
        stage "$1"
        : > "$DIR/renewd.all"
        every_minute 12 'pace = "40s";'
        fast_ready "$from" "$speed"
        within "$speed" warned_or_over
        first_is_over && [ "$speed" != "${SPEEDS##* }" ] || break
        stop_renewd
    done
    check "$s: a run that is not over when the next tick comes is told" within "$speed" warned
    check_match "$s: after the second such tick, with the number that would do" 'level=warning msg="at pace = ..40000ms.. a run of 12 records is not over when the next tick comes, 2 times in a row; pace = ..5000ms.. is enough"' \
        "$(cat "$DIR/renewd.all")"
    check_no_match "$s: not after the first" '1 times' "$(cat "$DIR/renewd.all")"
    check "$s: all are refreshed all the same" within "$speed" is_refreshed_all 12
    check "$s: then nothing is said any more" within "$speed" not_warned
    stop_renewd
    sed -i 's/"40s"/"5000ms"/' "$DIR/conf.d/tokens.conf"
    for speed in "$speed" ${SPEEDS#* }; do
        : > "$DIR/renewd.all"
        again
        sql "delete from $(own runs)"
        fast_ready "$from" "$speed"
        within "$speed" all_or_some
        ! ticked 1 'refreshed = 12' || break
        [ "$speed" != "${SPEEDS##* }" ] || break
        stop_renewd
        from=$(date +%s)
        sql "update $(own jobs) set last_tick = $from - 60, next_tick = $from"
    done
    check "$s: at that pace all are refreshed by one tick" ticked 1 'refreshed = 12'
    within "$speed" ticked "$(($(sql "select count(*) from $(own runs)") + 2))" 'finished_at > 0'
    check_no_match "$s: and nothing is said" 'pace = ' "$(ctl jobs; cat "$DIR/renewd.all")"
    stop_renewd
}

# Their leases end before the turn of most: a run claims again what it has to give back, and skips nothing.
given_back() { # STORE
    local s="$1, longer than a lease"
    stage "$1"
    every_minute 6 'pace = "40s";'
    sed -i 's/^schedule.*/schedule = "0 0 1 1 *";/' "$DIR/conf.d/tokens.conf"
    fast_ready "$(date +%s)"
    check "$s: a run" ctl run tokens
    check_equal "$s: it has refreshed all, and skipped none" '6 0' \
        "$(sql "select refreshed || ' ' || skipped from $(own runs) where finished_at > 0 order by id limit 1")"
    stop_renewd
}

is_refreshed_all() { [ "$(sql 'select count(*) from tokens where refreshed_at is not null')" = "$1" ]; }
# Tokens of days ago, which have ended.
again() {
    local past=1700000000
    [ "$STORE" = sqlite ] || past="to_timestamp($past)"
    sql "update $(own records) set refreshed_at = 1700000000, ok_at = 1700000000"
    sql "update tokens set expires_at = $past, refreshed_at = $past"
}

# The provider does not answer: a run that is not over is not the pace's doing.
slow_provider() { # STORE
    local s="$1, a slow provider" from
    from=$(date +%s)
    stage "$1"
    : > "$DIR/renewd.all"
    every_minute 3 'pace = "1s";'
    kill -STOP "$SIM_PID"
    fast_ready "$from"
    check "$s: four ticks come meanwhile" wait_until 60 ticked 4 'id > 0'
    check_equal "$s: the first run is not over" 0 "$(sql "select finished_at from $(own runs) order by id limit 1")"
    check_no_match "$s: no pace is named" 'pace = ' "$(ctl jobs; cat "$DIR/renewd.all")"
    kill -CONT "$SIM_PID"
    check "$s: all are refreshed" wait_until 60 is_refreshed_all 3
    stop_renewd
}

all_live() { [ "$(states ok)" = 50 ]; }

# Fifty creators whose tokens end together, ten a run. Its own ticks, every ten minutes, could come meanwhile.
shipped_creators() { # STORE
    local s="$1, fifty creators"
    stage "$1"
    sql_file "$TOP/sql/$STORE/airpublisher.sql"
    shipped youtube -e 's,"\*/10 \* \* \* \*",,; s/\[ *, /[ /'
    check_match "$s: \"auto\" alone is left of its schedule" '^schedule = \[ "auto" \];' "$(cat "$DIR/conf.d/youtube.conf")"
    check_match "$s: the shipped job keeps its limit" '^limit = 10;' "$(cat "$DIR/conf.d/youtube.conf")"
    creators youtube 50 yt || exit 1
    start_ready || exit 1
    check "$s: all are refreshed, though no tick comes" wait_until 60 all_live
    check_equal "$s: none by a tick" '' "$(sql "select trigger from $(own runs) where trigger = 'tick'")"
    check_equal "$s: at most ten in a run" 10 "$(sql "select max(n) from (select count(*) as n from $(own attempts) group by run_id) x")"
    check_equal "$s: each once" 50 "$(sim_count google ok)"
    stop_renewd
}

paces() { # STORE
    if grep -q libasan <<< "$(ldd "$RENEWD")"; then
        echo "ok $SUITE: $1, pace # SKIP AddressSanitizer has to be loaded before the fast clock"
        return
    fi
    too_slow "$1"
    given_back "$1"
    slow_provider "$1"
}

need_library fast_clock
start_simulator
for store in ${STORES:-sqlite postgresql}; do
    too_low $store
    suspects $store
    shipped_creators $store
    paces $store
done
no_tokens_in_logs
finish
