#!/bin/bash
# SPDX-License-Identifier: MIT
# Verdicts where no witness can come, in the daemon with its clock sped up: a single suspect is told after `alone`,
# several after a day, is asked again hourly and then daily all the same, and a success takes it back; else the
# operator's word is final, about those who are suspects then and nobody later.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"
. "$(dirname "$0")/breaker.sh"
. "$(dirname "$0")/worlds.sh"

suspects_that() { sql "select count(*) from $(own suspects) where ended_at = 0 and $1"; }
many_suspects_that() { [ "$(suspects_that "$2")" = "$1" ]; }
owners_warned() { sql "select count(*) from owners where warned"; }

# refused STORE PREFIX COUNT NAME: all were refreshed, and then all are refused.
refused() {
    world "$1" "$2" "$3"
    start_ready || exit 1
    check "$4: all are refreshed once" wait_until 60 fresh "$3" 1
    all_refused
    all_expired
}

taken_back() { # NAME COUNT
    none_refused
    check "$1: a success takes it back" wait_until 60 all_well "$2"
}
# Whoever is not, is asked: the next day would take its time.
all_well() {
    sql "update $(own records) set not_before = 0, due_at = 1 where state = 4"
    [ "$(in_state 1)" = "$1" ] && [ "$(owners_warned)" = 0 ] && many_suspects_that 0 '1 = 1' &&
        [ "$(sql "select count(*) from tokens where status = 'active'")" = "$1" ]
}

single() { # STORE
    local s="$1, the only account"
    refused "$1" single 1 "$s"
    check "$s: it is told" wait_until 60 told_all 1
    check_equal "$s: after a quarter of an hour and five refusals" 1 \
        "$(suspects_that 'told_at - began_at >= 900000 and refusals >= 5')"
    check_equal "$s: row and owner" '1 expired' "$(owners_warned) $(sql 'select status from tokens')"
    check_equal "$s: its credential is not dead" 0 "$(sql "select count(*) from $(own credentials) where dead <> 0")"
    pass_over 3600
    check "$s: it is asked again, hourly" wait_until 60 many_suspects_that 1 \
        'asked_at > told_at and next_at - asked_at = 3600000'
    pass_over 86400
    check "$s: after a day daily" wait_until 60 many_suspects_that 1 'next_at - asked_at = 86400000'
    check_equal "$s: it was told once" 2 "$(sql 'select count(*) from told')"
    taken_back "$s" 1
    end_world
}

several() { # STORE
    local s="$1, all of four accounts"
    refused "$1" several 4 "$s"
    check "$s: they are asked five times" wait_until 60 many_suspects_that 4 'refusals >= 5'
    pass_over 3600
    check "$s: and after an hour" wait_until 60 many_suspects_that 4 'asked_at - began_at >= 3600000 and refusals >= 6'
    nobody_was_told "$s"
    pass_over 86400
    check "$s: after a day they are told" wait_until 60 told_all 4
    check_equal "$s: their credentials are not dead" 0 "$(sql "select count(*) from $(own credentials) where dead <> 0")"
    taken_back "$s" 4
    end_world
}

the_word() { # STORE
    local s="$1, the operator's word" pair
    refused "$1" word 12 "$s"
    check "$s: the job is held" wait_until 60 is_held
    check_match "$s: resume alone is done" 'goes on' "$(ctl resume tokens 2>&1)"
    check "$s: each is asked once more" wait_until 60 many_suspects_that 12 'refusals >= 2'
    nobody_was_told "$s"
    check_match "$s: resume --believe is done" 'an account has to be connected again if its provider says once more that its grant is dead\. Accounts that are refused for another reason \(misconfigured\) are only tried again' "$(ctl resume tokens --believe 2>&1)"
    check "$s: all are told" wait_until 60 told_all 12
    check_equal "$s: that is final" '12 0' "$(sql "select count(*) from $(own credentials) where dead <> 0") \
$(sql "select count(*) from $(own records) where due_at <> 0")"
    none_refused
    pair=$(sim accounts '{"provider":"strict","account":"later","expires_in":172800}')
    sql "update tokens set access_token = '$(json_of access_token "$pair")', refresh_token = '$(json_of refresh_token "$pair")'
        where id = 1"
    check "$s: who connects again is fine" wait_until 60 eval 'fresh 1 1 && refreshed_of word-1 2' # not only found
    all_refused
    all_expired
    check "$s: and refused later once more" wait_until 60 many_suspects_that 1 'refusals >= 3'
    check_equal "$s: it is a suspect like any other" 11 "$(in_state 4)"
    end_world
}
refreshed_of() { [ "$(grep -c "msg=\"record refreshed\".* account=$1 " "$DIR/renewd.all")" -ge "$2" ]; } # ACCOUNT TIMES
json_of() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" <<< "$2" | head -n 1; }

SPEED=300
fast_clock
start_simulator
for store in ${STORES:-sqlite postgresql}; do
    single $store
    several $store
    the_word $store
done
finish
