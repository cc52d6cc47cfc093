#!/bin/bash
# SPDX-License-Identifier: MIT
# The provider takes a request on a kept connection and closes without a byte: a credential that may be
# spent is presented once and its record is ambiguous; a safe one is repeated and succeeds.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"

# The second request goes over the connection of the first.
single_use() { # STORE HOW
    local s="$1, $2" lost
    stage "$1"
    make_accounts_table kept
    load_accounts strict kept 2 kept
    strict_job kept kept 'in_flight = 1;'
    sim misbehave "{\"mode\":\"close_kept\",\"provider\":\"strict\",\"how\":\"$2\"}" > /dev/null
    check_fails "$s: --once says that one failed" run_renewd --once
    check_equal "$s: the request was taken and dropped" 1 "$(sim_count strict dropped)"
    check_equal "$s: each was presented once" 2 "$(strict_sum presented)"
    check_equal "$s: none twice" '' "$(presented_twice)"
    check_equal "$s: one succeeded" 1 "$(strict_sum ok)"
    lost=$(sim_get 'accounts?provider=strict&format=tsv' | awk -F '\t' '$7 == 0 { print $1 }')
    check_equal "$s: the other one's record is ambiguous" ambiguous "$(state kept "$lost")"
    check_equal "$s: the history says so" "ambiguous|no_answer" \
        "$(sql "select outcome, code from $(own attempts) where outcome <> 'ok'")"
    check_match "$s: the row's last_error says so" no_answer \
        "$(sql "select last_error from kept where account = '$lost'")"
    check "$s: the row keeps its tokens" grants_agree kept kept
    sim mark '{}' > /dev/null
    check_fails "$s: a second --once says that it waits for the answer's time" run_renewd --once
    check_equal "$s: it is not presented again at once" 0 "$(sim_count strict requests)"

    # The last safe moment has come: once more, and that answer counts.
    local later=$(($(date +%s) + 7200))
    sim clock "{\"now\":$later}" > /dev/null
    check "$s: at its last moment it is presented once more" run_at_time "$later" --once
    check_equal "$s: and lives on" ok "$(state kept "$lost")"
    check "$s: truth and table agree" compare_truth strict kept kept
    check_equal "$s: no reuse" 0 "$(strict_sum reuse)"
}

safe() { # STORE
    local s=$1
    stage "$1"
    make_accounts_table kept
    load_accounts google kept 2 kept
    google_job kept kept 'in_flight = 1;'
    sim misbehave '{"mode":"close_kept","provider":"google"}' > /dev/null
    check "$s: Google: --once succeeds" run_renewd --once
    check_equal "$s: Google: the request was taken and dropped" 1 "$(sim_count google dropped)"
    check_equal "$s: Google: it was simply repeated" "3 2" \
        "$(sim_count google presented) $(sim_count google ok)"
    check_equal "$s: Google: no failure in the history" 2 "$(history ok)"
    check "$s: Google: truth and table agree" compare_truth google kept kept
}

# A new connection is closed as well: nothing that libcurl could take for a dead kept connection.
fresh() { # STORE MODE: drop_before: not processed; drop_after: processed
    local s="$1, $2"
    stage "$1"
    make_accounts_table kept
    load_accounts strict kept 1 kept
    strict_job kept kept
    sim misbehave "{\"mode\":\"$2\",\"provider\":\"strict\"}" > /dev/null
    check_fails "$s: --once says that it failed" run_renewd --once
    check_equal "$s: presented once" 1 "$(strict_sum presented)"
    check_equal "$s: ambiguous" ambiguous "$(state kept kept-1)"
    sim mark '{}' > /dev/null
    check_fails "$s: nothing at once, and that it waits" run_renewd --once
    check_equal "$s: not presented again" 0 "$(sim_count strict requests)"
}

start_simulator
for store in sqlite postgresql; do
    single_use $store fin
    single_use $store rst
    safe $store
    fresh $store drop_before
    fresh $store drop_after
done
no_tokens_in_logs
finish
