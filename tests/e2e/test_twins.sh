#!/bin/bash
# SPDX-License-Identifier: MIT
# Records that hold one credential share what becomes of it, on both stores: two rows of one table and one of
# another job. A dead grant, a fault that passes, a missing answer, a refresh that heals: state, row, `also` and what
# the token route answers are the same, the provider is asked once, and a token of a twin is no storm of runs.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"

records_of() { # TABLE
    printf '%s' "records = { table = \"$1\"; key = \"id\"; sealed = \"none\";
        columns = { account = \"account\"; access_token = \"access_token\"; refresh_token = \"refresh_token\";
                    expires_at = \"expires_at\"; refreshed_at = \"refreshed_at\"; last_error = \"last_error\";
                    status = \"status\"; };
        status_values = { ok = \"active\"; reconnect = \"expired\"; retrying = \"error\"; }; };
        also = ( { table = \"owners\"; key = \"id\"; from = \"account\"; on_reconnect = { warned = true; };
                   on_ok = { warned = false; }; } );"
}

copies() { # TABLE NAME: a row of it with the credential of acct-1
    sql "insert into $1 (account, access_token, refresh_token, expires_at)
         select '$2', access_token, refresh_token, expires_at from tokens where account = 'acct-1'"
}

prepare() { # STORE
    stage "$1"
    make_accounts_table tokens
    make_accounts_table others
    load_accounts strict tokens 2 acct || exit 1
    copies tokens twin
    copies others other
    sql "create table owners (id text primary key, warned boolean not null default false)"
    sql "insert into owners select account, false from tokens union all select account, false from others"
    strict_job tokens tokens '' client-1 post "$(records_of tokens)"
    strict_job others others '' client-1 post "$(records_of others)"
}

state_of() { # ACCOUNT: state, status, last_error's first word, warned
    local t=tokens
    [ "$1" = other ] && t=others
    sql "select (select r.state from $(own records) r where r.rkey = cast(t.id as text) and r.source like '%$t/%'), t.status,
             coalesce(substr(t.last_error, 1, 13), ''), (select case when warned then 1 else 0 end from owners o where o.id = t.account)
         from $t t where t.account = '$1'"
}

all_three() { echo "$(state_of acct-1) $(state_of twin) $(state_of other)"; }

DEAD='4|expired|invalid_grant|1' FINE='1|active||0' BUSY='2|error|transient|0'

dead() { # STORE
    local s="$1, dead"
    prepare "$1"
    sed -i 's,^schedule.*,schedule = [ "*/10 * * * *"\, "auto" ];,' "$DIR"/conf.d/*.conf # --once counts as at a tick
    sim revoke '{"provider":"strict","account":"acct-1"}' > /dev/null
    check_fails "$s: it is said" run_renewd --once tokens others
    check_equal "$s: all three records are dead, in state, row and warning" "$DEAD $DEAD $DEAD" "$(all_three)"
    check_equal "$s: the other account is fine" "$FINE" "$(state_of acct-2)"
    check_equal "$s: the provider was asked once for each credential" 2 "$(strict_sum presented)"
    check_equal "$s: counted by credential" '1|1' "$(sql "select sum(refreshed), sum(failed) from $(own runs)")"
    check_equal "$s: two are due" 2 "$(sql "select max(due) from $(own runs) where job = 'tokens'")"
    # A copy that its application makes later, and one that the next job to be read holds.
    copies others late
    sql "insert into owners (id) values ('late')"
    run_renewd --once tokens others
    check_equal "$s: a copy made later is dead at once" '4|expired|invalid_grant|1' \
        "$(sql "select r.state, t.status, substr(t.last_error, 1, 13), 1 from others t join $(own records) r
            on r.rkey = cast(t.id as text) and r.source like '%others/%' where t.account = 'late'")"
    check_equal "$s: and nobody is asked" 2 "$(strict_sum presented)"
    start_ready || exit 1
    tokens_of_all "$s"
    stop_renewd
}

# token of a twin whose record had not heard of it (an older renewd's database): no storm of runs, and it hears now.
tokens_of_all() {
    local s=$1 id before
    sql "update $(own records) set state = 1, due_at = point, last_code = null, last_text = null
         where source like '%tokens/%' and rkey = (select cast(id as text) from tokens where account = 'twin')"
    before=$(sql "select count(*) from $(own runs)")
    for id in $(sql "select id from tokens where account in ('acct-1', 'twin') order by id"); do
        check_equal "$s: no token for record $id" 409 "$(curl -sS -o "$DIR/answer" -w '%{http_code}' --max-time 60 \
            --unix-socket "$SOCKET" "http://localhost/v1/jobs/tokens/records/$id/token")"
        check_match "$s: it says so" '"state":"reconnect"' "$(cat "$DIR/answer")"
    done
    check_equal "$s: without a run" "$before" "$(sql "select count(*) from $(own runs)")"
    check "$s: the twin hears of it" wait_until 20 twin_dead
    check_equal "$s: the provider is not asked" 2 "$(strict_sum presented)"
}

twin_dead() { [ "$(state_of twin)" = "$DEAD" ]; }
all_fine() { [ "$(all_three)" = "$FINE $FINE $FINE" ]; }

# A refusal that was none: by hand one of them is asked again, and all are well, with the new pair.
healed() { # STORE
    local s="$1, healed"
    prepare "$1"
    sim misbehave '{"mode":"json","provider":"strict","account":"acct-1","status":400,"count":1,
        "body":"{\"error\":\"invalid_grant\"}"}' > /dev/null
    run_renewd --once tokens others
    check_equal "$s: all three are dead" "$DEAD $DEAD $DEAD" "$(all_three)"
    start_ready || exit 1
    check "$s: by hand it is refreshed" ctl refresh tokens "$(sql "select id from tokens where account = 'twin'")"
    check "$s: all three are well" wait_until 20 all_fine
    check_equal "$s: with the same pair" 1 "$(sql "select count(*) from (select refresh_token from tokens where account <> 'acct-2'
        union select refresh_token from others) x")"
    check "$s: which is the newest" sql_is_newest
    check_equal "$s: spent once" 0 "$(strict_sum reuse)"
    sim mark '{}' > /dev/null
    check "$s: all of the job by hand is one request for each credential" ctl refresh tokens
    check_equal "$s: two" 2 "$(sim_count strict requests)"
    stop_renewd
}

sql_is_newest() { [ "$(sql "select refresh_token from tokens where account = 'twin'")" = "$(sim_account strict acct-1 refresh_token)" ]; }

# A fault that passes is the job's: the twin in the job waits with it, and is not asked for by itself.
passing() { # STORE
    local s="$1, passing"
    prepare "$1"
    rm "$DIR/conf.d/others.conf"
    sim misbehave '{"mode":"status","provider":"strict","account":"acct-1","status":500,"count":1}' > /dev/null
    run_renewd --once tokens
    check_equal "$s: both wait" "$BUSY $BUSY" "$(state_of acct-1 | sed 's/transient[^|]*/transient/') $(state_of twin | sed 's/transient[^|]*/transient/')"
    check_equal "$s: one request" 1 "$(sim_account strict acct-1 misbehaved)"
}

# Google keeps the refresh token: the new access token is every record's, and one request was enough.
kept_credential() { # STORE
    local s="$1, kept credential"
    stage "$1"
    make_accounts_table tokens
    load_accounts google tokens 1 acct || exit 1
    copies tokens twin
    google_job tokens tokens
    check "$s: refreshed" run_renewd --once
    check_equal "$s: once" 1 "$(sim_count google requests)"
    check_equal "$s: both rows have it" "1|$(sim_account google acct-1 access_token)" \
        "$(sql 'select count(distinct access_token), max(access_token) from tokens')"
    check_equal "$s: both are well" 2 "$(sql "select count(*) from $(own records) where state = 1 and ok_at > 0")"
}

start_simulator
for store in ${STORES:-sqlite postgresql}; do
    dead $store
    healed $store
    passing $store
    kept_credential $store
done
no_tokens_in_logs
finish
