#!/bin/bash
# SPDX-License-Identifier: MIT
# The way of a record from configuration to the committed token and the history row, through the real
# programs and youtube.so, on both stores: one record, then 1,000 over two jobs, then nothing to do.
. "$(dirname "$0")/lib.sh"

job() { # JOB TABLE CLIENT
    write_job "$1" <<EOF
plugin = "youtube";
schedule = [ "*/10 * * * *", "auto" ];
$(accounts_records "$2")
settings = { base_url = "$SIM_URL/google"; client_id = "client-1"; client_secret = "env:TEST_SECRET"; };
in_flight = 32;
EOF
}

through_store() {
    make_store "$1"
    local s=$1
    sim reset '{}' > /dev/null
    rm -rf "$DIR/conf.d" "$DIR/state"
    write_conf

    make_accounts_table tokens
    load_accounts google tokens 1 first-one-
    job youtube tokens
    check "$s: --once refreshes one expired record" run_renewd --once
    check "$s: the provider and the row agree" compare_truth google tokens first-
    check_equal "$s: one refresh at the provider" 1 "$(sim_count google ok)"
    check_equal "$s: the history has it" "ok|200" \
        "$(sql "select outcome, http_status from $(own attempts)")"
    check_equal "$s: the run's row counts it" "1|1|0" \
        "$(sql "select due, refreshed, failed from $(own runs) order by id desc limit 1")"
    check_equal "$s: the expiry lies ahead" 1 \
        "$(if [ "$STORE" = sqlite ]; then sql "select expires_at > strftime('%s','now') from tokens"
           else sql "select (expires_at > now())::int from tokens"; fi)"
    sim mark '{}' > /dev/null
    check "$s: a second --once succeeds" run_renewd --once
    check_equal "$s: and asks for nothing" 0 "$(sim_count google requests)"

    make_accounts_table tokens_b
    load_accounts google tokens 499 first-many-
    load_accounts google tokens_b 500 other-
    job second tokens_b
    sim mark '{}' > /dev/null
    check "$s: 1,000 records over two jobs" run_renewd --once
    check_equal "$s: every one was refreshed once" 999 "$(sim_count google ok)"
    check "$s: truth and table agree on the first job" compare_truth google tokens first-
    check "$s: truth and table agree on the second job" compare_truth google tokens_b other-
    sim mark '{}' > /dev/null
    check "$s: again --once" run_renewd --once
    check_equal "$s: makes no request" 0 "$(sim_count google requests)"
}

export TEST_SECRET=hush-secret
start_simulator
through_store sqlite
through_store postgresql
no_tokens_in_logs
finish
