# SPDX-License-Identifier: MIT
# One round of the fault suite, account by account. Reads the trace of renewd's steps, the provider's truth
# and the rows; prints the columns of the table; each account that is wrong goes to the file `wrong`.
#
# lost       the row does not hold what the provider gave last, although that was written to the spool
# twice      presented when renewd had its successor, or more often than answers were missing, or at once,
#            or again before the last safe moment, or once more after that
# condemned  reconnect, and the provider would still take it
# silent     ok, and the row does not hold what lives
# unsettled  neither ok nor reconnect in the end, or never refreshed, or reconnect without being told, or
#            a pair is kept aside although nobody changed the row (an answer that nobody
#            could read is kept as well, and no pair)
# killed, wire  accounts of which for a time nobody knew: a process died before its spool write, a reply was lost
# last       the one last try found the credential spent

BEGIN { printf "" > wrong }

file == 1 { # PID POINT RECORD
    split($0, word, " ")
    if (word[2] == "intent-written") {
        before_intent[word[3]] = last_step[word[3]]
        last_step[word[3]] = "sent"
    } else if (word[2] == "spool-written") {
        last_step[word[3]] = "spooled"
    }
    next
}

file == 2 {
    access[$1] = $2; live[$1] = $3; reuse[$1] = $6; given[$1] = $7; misbehaved[$1] = $8
    most[$1] = $9; at_once[$1] = $10; job[$1] = $11
    next
}

{
    key = $1; account = $2; state = $4; failed = $5; unknown = $6; hasty = $7; kept = $8; told = $9
    accounts++
    holds = live[account] != "" && live[account] == $3
    mistake = ""
    if (live[account] != "" && !holds && last_step[key] == "spooled") {
        lost++; mistake = mistake " lost"
    }
    if (spent_twice()) {
        twice++; mistake = mistake " twice"
    }
    if (state == 4 && holds) {
        condemned++; mistake = mistake " condemned"
    }
    if (state == 1 && !holds) {
        silent++; mistake = mistake " silent"
    }
    if ((state != 1 && state != 4) || (state == 1 && access[account] == "") || (state == 4 && !told) ||
        (kept > 0 && changed == "no")) {
        unsettled++; mistake = mistake " unsettled"
    }
    by[cause] += unknown > 0
    if (reuse[account] == 1 && mistake !~ "twice")
        last++
    if (mistake != "")
        print account " (record " key "):" mistake "; state " state ", " failed " failed, " unknown \
            " unknown, " kept " kept; the provider: given " given[account] ", reuse " reuse[account] ", misbehaved " \
            misbehaved[account] ", at once " at_once[account] ", one " most[account] " times; step " \
            last_step[key] > wrong
}

function spent_twice() {
    if (at_once[account] > 1)
        return 1
    if (reuse[account] > 1 || (reuse[account] == 1 && before_intent[key] == "spooled"))
        return 1
    return job[account] == "single" && (most[account] > 1 + failed || hasty > 0 ||
        unknown > 2)
}

END {
    print accounts + 0, lost + 0, twice + 0, condemned + 0, silent + 0, unsettled + 0, \
        by["killed"] + 0, by["wire"] + 0, last + 0
}
