#!/bin/bash
# SPDX-License-Identifier: MIT
# New tokens that cannot be sealed for their rows are kept, not dropped: the rows stay as they were, the spent ones
# are not presented again, and what was kept is written once sealing works. Needs a build with fault points.
SUITE=faults/seal
. "$(dirname "$0")/../e2e/lib.sh"
. "$(dirname "$0")/../e2e/bad.sh"
. "$(dirname "$0")/loud.sh"

kept_pairs() {
    sql "select count(*) from $(own kept) where kind = 'pending' and sealed like 'r1.test.%'"
}

# WHAT FAULT: two records, of which the named passings cannot be sealed.
not_sealed() { # STORE WHAT FAULT
    local s="$1: $2"
    stage "$1"
    make_accounts_table tokens
    load_accounts strict tokens 2 s-
    strict_job strict tokens '' client-1 post \
        "$(accounts_records tokens | sed 's/sealed = "none"/sealed = "renewd"; accept_plain = true/')"
    token_rows tokens > "$DIR/before"
    RENEWD_FAULT=$3 run_renewd --once
    check_equal "$s: --once exits 1" 1 $?
    token_rows tokens > "$DIR/after"
    check "$s: the rows are as they were" diff "$DIR/before" "$DIR/after"
    check_equal "$s: the pairs are kept sealed" 2 "$(kept_pairs)"
    check_equal "$s: the records are pending" 2 "$(sql "select count(*) from $(own records) where state = 7")"
    check_match "$s: the log says why" 'could not be sealed' "$(logs)"
    RENEWD_FAULT=${3/:?+:/:1+:} run_renewd --once
    check_equal "$s: while it lasts they stay kept" 2 "$(kept_pairs)"
    run_renewd --once
    check_equal "$s: nothing is kept any more" 0 "$(kept_pairs)"
    check_equal "$s: each was presented once" 2 "$(sim_count strict presented)"
    check_equal "$s: the rows hold sealed tokens" 2 "$(sql "select count(*) from tokens
        where access_token like 'r1.test.%' and refresh_token like 'r1.test.%'")"
    sim clock "{\"now\":$(($(date +%s) + 7200))}" > /dev/null
    all_expired
    check "$s: they are the living ones: the next refresh is well" run_renewd --once
    check_match "$s: of both" '^strict: 2 due, 2 refreshed, 0 failed' "$(logs)"
    check_equal "$s: no reuse" 0 "$(sim_count strict reuse)"
}

start_simulator
for store in sqlite postgresql; do
    not_sealed $store 'nothing can be sealed' 'seal-value:1+:error:EIO'
    not_sealed $store 'the second of a pair cannot be sealed' 'seal-value:2+:error:EIO'
done
no_tokens_in_logs
told 'every statement was taken'
finish
