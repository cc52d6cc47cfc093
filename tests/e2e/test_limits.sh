#!/bin/bash
# SPDX-License-Identifier: MIT
# A limit or a pace that is too low: what has expired is not called ok, what is overdue is counted, the setting is named
# with the number that would do. The shipped jobs keep their limit and let nothing expire.
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
        'job tokens: 1 overdue: limit = 1 left 1 of 2 due records undone, in 2 runs in a row; limit = 2 would do' "$(ctl jobs)"
    check_match "$s: in the log, too" 'level=warning msg="limit = 1 left 1 of 2 due' "$(cat "$DIR/renewd.all")"
    ctl run tokens > /dev/null
    check_equal "$s: then all are ok" '3 0' "$(states ok) $(states expired)"
    check_no_match "$s: and nothing is said any more" 'limit|overdue' "$(ctl jobs)"
    stop_renewd
}

all_live() { [ "$(states ok)" = 50 ]; }

# Fifty creators whose tokens end together, ten a run: no tick comes in the time of the test.
shipped_creators() { # STORE
    local s="$1, fifty creators"
    stage "$1"
    sql_file "$TOP/sql/$STORE/airpublisher.sql"
    shipped youtube
    check_match "$s: the shipped job keeps its limit" '^limit = 10;' "$(cat "$DIR/conf.d/youtube.conf")"
    creators youtube 50 yt || exit 1
    start_ready || exit 1
    check "$s: all are refreshed, though no tick comes" wait_until 50 all_live
    check_equal "$s: none by a tick" '' "$(sql "select trigger from $(own runs) where trigger = 'tick'")"
    check_equal "$s: at most ten in a run" 10 "$(sql "select max(n) from (select count(*) as n from $(own attempts) group by run_id) x")"
    check_equal "$s: each once" 50 "$(sim_count google ok)"
    stop_renewd
}

start_simulator
for store in sqlite postgresql; do
    too_low $store
    shipped_creators $store
done
no_tokens_in_logs
finish
