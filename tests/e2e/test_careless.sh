#!/bin/bash
# SPDX-License-Identifier: MIT
# A plugin that breaks a rule when the provider has given it new tokens: what it took is stored, the attempt counts as
# failed, the log says what to correct, and its job is held before another credential is spent. In every order of
# mistake and tokens, on both stores; one that takes nothing of a success, too. An answer whose refresh token was not taken is parked.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"

# order: when the rule is broken (tests/plugins/careless.c), and what the sentence says of it
orders() {
    cat <<'EOL'
before no_such_slot
between gave once()
after no_such_statement
misspelt refresh_tokn
expiry expires_at
result unknown result (77)
silent without fail()
outcome unknown outcome (99)
wait without a request
url does not begin with https
refused cannot be made
nothing refresh_tokn
ignored recorded nothing of the answer
dropped did not set the slot refresh_token
EOL
}

presented() { # PREFIX
    sim_get 'accounts?provider=strict&format=tsv' | awk -F '\t' -v p="$1-" 'index($1, p) == 1 { n += $5 } END { print n + 0 }'
}

# token ACCOUNT COLUMN: the provider's newest: 2 access, 3 refresh
given() {
    sim_get 'accounts?provider=strict&format=tsv' | awk -F '\t' -v a="$1" -v c="$2" '$1 == a { print $c }'
}

careless_jobs() {
    local order
    while read -r order _; do
        make_accounts_table "t_$order"
        load_accounts strict "t_$order" 3 "$order"
        strict_job "$order" "t_$order" 'in_flight = 1;'
        sed -i -e 's/^plugin = .*/plugin = "careless";/' -e 's/^schedule = .*/schedule = [ "0 0 1 1 *", "auto" ];/' \
            -e "s/client_auth = \"post\";/& extra = { order = \"$order\"; };/" "$DIR/conf.d/$order.conf"
        sql_tsv "select * from t_$order order by id" > "$DIR/before.$order"
    done < <(orders)
}

# The row of the one that was presented, and what is known of it.
one_spent() { # STORE ORDER SENTENCE
    local s="$1, $2" account outcome=transient row
    check_equal "$s: one of three credentials is spent" 1 "$(presented "$2")"
    account=$(sim_get 'accounts?provider=strict&format=tsv' |
        awk -F '\t' -v p="$2-" 'index($1, p) == 1 && $5 == 1 { print $1 }')
    row=$(sql_tsv "select access_token, refresh_token, coalesce(last_error, '') from t_$2 where account = '$account'")
    case $2 in
        misspelt | dropped) outcome=ambiguous ;;
        nothing | ignored) outcome=ambiguous ;;
        *) check_equal "$s: its new refresh token is in the row" "$(given "$account" 3)" "$(cut -f 2 <<< "$row")" ;;
    esac
    [[ $2 =~ ^(nothing|ignored)$ ]] ||
        check_equal "$s: its new access token is in the row" "$(given "$account" 2)" "$(cut -f 1 <<< "$row")"
    check_match "$s: the row says what is wrong" "plugin careless is at fault.*${3//[()]/.}" "$(cut -f 3 <<< "$row")"
    check_equal "$s: the attempt is a failure of the plugin's" "$outcome|plugin" \
        "$(sql "select outcome, code from $(own attempts) where job = '$2'")"
    check_match "$s: the log says it with job, record and account, and what to do" \
        "record=[0-9] account=$account plugin=careless .*${3//[()]/.}.* remedy=\"correct the plugin" \
        "$(grep "level=error msg=\"a plugin broke a rule.* job=$2 " "$DIR/renewd.log")"
    check_match "$s: and that the job is held" 'reason="the plugin careless is at fault' \
        "$(grep "level=error msg=\"job held\" job=$2 " "$DIR/renewd.log")"
    sql_tsv "select * from t_$2 where account <> '$account' order by id" > "$DIR/after"
    check_equal "$s: the other rows are as they were" "$(grep -vw "$account" "$DIR/before.$2")" "$(cat "$DIR/after")"
    check_equal "$s: an answer is parked where its refresh token was not taken" \
        "$([ $outcome = ambiguous ] && echo 1 || echo 0)" "$(sql "select count(*) from $(own kept) k
        join $(own attempts) a on a.attempt_id = k.attempt_id where k.kind = 'answer' and a.job = '$2'")"
}

spent_is() { [ "$(presented "$1")" = "$2" ]; }
all_held() { ctl status | grep -q "^jobs: .*($1 held"; }
all_spent() { sim_count strict presented; }

# The plugin's file is the same: no restart and no other process spends another one. Another file is another plugin.
held_on() { # STORE
    local s=$1 jobs
    jobs=$(orders | wc -l)
    run_renewd --once
    check_equal "$s: the next --once exits 1" 1 $?
    check_match "$s: and says that the job is held, and why" 'job=after reason="the plugin careless is at fault.*start renewd again' \
        "$(grep 'msg="job held"' "$DIR/renewd.log")"
    check_equal "$s: no credential is spent by it" "$jobs" "$(all_spent)"
    start_renewd || exit 1
    check "$s: the daemon holds all of them" wait_until 60 all_held "$jobs"
    check_match "$s: renewctl shows the job held for its plugin" 'at fault' "$(ctl jobs after)"
    check_match "$s: explain says it of the record" '^held, with its job: the plugin careless is at fault' \
        "$(ctl explain misspelt "$(sql "select rkey from $(own attempts) where job = 'misspelt'")")"
    check_fails "$s: a refresh by hand is refused" ctl refresh after
    check_fails "$s: conf.d is read again, and not all is well" ctl reload
    check_match "$s: which changes nothing" 'at fault' "$(ctl jobs after)"
    check_equal "$s: nothing is spent by that" "$jobs" "$(all_spent)"
    check "$s: an operator may resume it" ctl resume after
    check "$s: that spends one more" wait_until 30 spent_is after 2
    stop_renewd
    echo >> "$PLUGIN_DIR/careless.so"
    run_renewd --once between
    check_equal "$s: so does another file of the plugin" 2 "$(presented between)"
    check_equal "$s: and no more than one" $((jobs + 2)) "$(all_spent)"
}

careless() { # STORE
    local s=$1 order sentence
    stage "$s"
    careless_jobs
    run_renewd --once
    check_equal "$s: --once exits 1" 1 $?
    while read -r order sentence; do
        one_spent "$s" "$order" "$sentence"
    done < <(orders)
    check_equal "$s: nothing waits to be written" 0 "$(spool_files)"
    held_on "$s"
}

mkdir -p "$DIR/plugins"
cp "$PLUGIN_DIR/oauth2.so" "$DIR/plugins/"
PLUGIN_DIR=$DIR/plugins
check "the plugin is built" ${CC:-cc} -shared -fPIC -I"$TOP/include" -I"$TOP/plugins" -o "$PLUGIN_DIR/careless.so" \
    "$TOP/tests/plugins/careless.c" "$TOP/plugins/oauth_common.c"
start_simulator
for store in sqlite postgresql; do
    careless $store
done
no_tokens_in_logs
finish
