# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What the tests of the breaker share, beside lib.sh and strict.sh.

# shellcheck disable=SC2034
DOUBT=1 # these are about verdicts

# Owners that are warned, and every change of a status or a warning as it was written.
make_world() { # STORE PREFIX COUNT
    stage "$1"
    : > "$DIR/renewd.all"
    make_accounts_table tokens
    load_accounts strict tokens "$3" "$2" || exit 1
    sql "create table owners (id text primary key, warned boolean not null default false)"
    sql "insert into owners select account, false from tokens"
    sql "create table told (what text)"
    if [ "$STORE" = sqlite ]; then
        sql "create trigger told_status after update of status on tokens when new.status = 'expired'
             begin insert into told values (new.account); end;
             create trigger told_warned after update of warned on owners when new.warned = 1
             begin insert into told values (new.id); end;"
    else
        sql "create function note() returns trigger language plpgsql as \$\$ begin
             insert into told values (coalesce(to_jsonb(new) ->> 'account', to_jsonb(new) ->> 'id'));
             return new; end \$\$;
             create trigger told_status after update of status on tokens for each row
             when (new.status = 'expired') execute function note();
             create trigger told_warned after update of warned on owners for each row
             when (new.warned) execute function note();"
    fi
    strict_job tokens tokens "${4:-}" client-1 post 'records = { table = "tokens"; key = "id"; sealed = "none";
        columns = { account = "account"; access_token = "access_token"; refresh_token = "refresh_token";
                    expires_at = "expires_at"; refreshed_at = "refreshed_at"; last_error = "last_error";
                    status = "status"; };
        status_values = { ok = "active"; reconnect = "expired"; }; };
        also = ( { table = "owners"; key = "id"; from = "account"; on_reconnect = { warned = true; };
                   on_ok = { warned = false; }; } );'
}


the_client_is() { # SECRET: what the provider takes
    sim clients "{\"provider\":\"strict\",\"client_id\":\"client-1\",\"client_secret\":\"$1\"}" > /dev/null
}
all_refused() { # the other kind: everybody's grant is said to be dead
    sim misbehave '{"mode":"json","provider":"strict","status":400,"count":-1,
        "body":"{\"error\":\"invalid_grant\"}"}' > /dev/null
}
none_refused() { sim misbehave '{"clear":true}' > /dev/null; }
requests() { sim_count strict requests; }
in_state() { sql "select count(*) from $(own records) where state = $1"; }
once_in() { run_at_time "$((started + $1))" --once; } # SECONDS from the start of the test
held_at() { sql "select coalesce(max(held_at), 0) from $(own breakers)"; }
is_held() { [ "$(held_at)" != 0 ]; }
goes_on() { [ "$(held_at)" = 0 ]; }
all_fine() { [ "$(in_state 1)" = "$1" ] && compare_truth strict tokens; }

nobody_was_told() { # NAME
    check_equal "$1: nobody is condemned" 0 "$(in_state 4)"
    check_equal "$1: nobody was told anything, not even for a moment" '' "$(sql 'select * from told')"
    check_equal "$1: no credential is dead" 0 "$(sql "select count(*) from $(own credentials) where dead <> 0")"
}

few_requests() { # NAME MOST
    local n
    n=$(requests)
    check "$1: few requests were made ($n)" [ "$n" -gt 0 -a "$n" -le "$2" ]
}

# pass SECONDS: so much time has passed for what renewd knows of refusals, without waiting.
pass() {
    local ms=$(($1 * 1000)) table column set
    for table in suspects breakers; do
        set=''
        for column in $(if [ $table = suspects ]; then echo began_at since asked_at next_at told_at struck_at
                        else echo success_at recovery_at held_at ended_at alarmed_at canary_at witness_at; fi); do
            set="$set${set:+, }$column = case when $column > 0 then $column - $ms else 0 end"
        done
        sql "update $(own $table) set $set"
    done
    sql "update $(own records) set last_at = last_at - $1, not_before = case when not_before > 0 then not_before - $1
        else 0 end, due_at = case when due_at > 0 then due_at - $1 else 0 end"
}
