#!/bin/bash
# SPDX-License-Identifier: MIT
# A job may be held for several reasons at a time. Each is shown, each ends by what ends it: `resume` ends the hold for a
# plugin that broke a rule, at every host, and not the one for a table that does not fit; and the other way round.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/strict.sh"

SECOND_PID=''
trap 'ended_with=$?; stop_process "$SECOND_PID"; (exit $ended_with); cleanup' EXIT

second() { # as another host on the same database, with the same jobs
    CONF=$DIR/second.conf SOCKET=$DIR/second.sock "$@"
}

start_second() {
    rm -rf "$DIR/state2"
    sed -e 's/state_dir = "state"/state_dir = "state2"/' -e "s|socket = \"[^\"]*|socket = \"$DIR/second.sock|" \
        "$CONF" > "$DIR/second.conf"
    mkdir -m 700 "$DIR/state2"
    "$RENEWD" -c "$DIR/second.conf" >> "$DIR/renewd.all" 2>&1 &
    SECOND_PID=$!
    second wait_until 60 daemon_is_ready
}

# Its plugin is at fault at the first refresh.
careless_job() {
    make_accounts_table tokens
    load_accounts strict tokens 4 held
    strict_job tokens tokens 'in_flight = 1; rescan = "1s";'
    sed -i -e 's/^plugin = .*/plugin = "careless";/' -e 's/^schedule = .*/schedule = [ "0 0 1 1 *", "auto" ];/' \
        -e 's/client_auth = "post";/& extra = { order = "after"; };/' "$DIR/conf.d/tokens.conf"
}

held_is() { ctl --json jobs tokens | json '$.jobs[0].held' > "$DIR/held" && grep -q "$1" "$DIR/held"; }
held_not() { ctl --json jobs tokens | json '$.jobs[0].held' > "$DIR/held" && ! grep -q "$1" "$DIR/held"; }
presented_is() { [ "$(strict_sum presented)" = "$1" ]; }
column() { sql "alter table tokens rename column $1 to $2"; }

both_reasons() { # STORE
    local s=$1 at_fault='plugin careless is at fault' gone='expires_at'
    check "$s: the job is held for its plugin" wait_until 60 held_is "$at_fault"
    check "$s: which spent one credential" presented_is 1
    column expires_at ends
    check "$s: its table does not fit any more: it is held for that as well" wait_until 60 held_is "$gone"
    check "$s: and for its plugin still" held_is "$at_fault"
    check_match "$s: explain says both" "$at_fault.*also held|also held.*$at_fault" \
        "$(ctl explain tokens "$(sql 'select min(rkey) from '"$(own records)")")"
    check_match "$s: readyz names the job as held" '"held":\[{"job":"tokens"' "$(daemon_is_ready)"
    column ends expires_at
    check "$s: the table is as it was: that reason is over" wait_until 60 held_not "$gone"
    check "$s: and the plugin's is not" held_is "$at_fault"
    column expires_at ends
    check "$s: both again" wait_until 60 held_is "$gone"
    check_fails "$s: a resume cannot mend a table" ctl resume tokens
    check_match "$s: it says what holds the job still" 'is not paused, but it is held all the same: .*expires_at' \
        "$(ctl resume tokens)"
    check "$s: the plugin's hold is over" held_not "$at_fault"
    check "$s: nothing was spent by that" presented_is 1
    column ends expires_at
    check "$s: the job goes on by itself when the table fits" wait_until 60 presented_is 2
    check "$s: and its plugin is at fault again" wait_until 60 held_is "$at_fault"
}

# The job's file is changed so that it names a plugin that there is not; the store still knows of the fault.
no_plugin() { # STORE
    local s="$1, no such plugin"
    stop_renewd
    sed -i.was 's/^plugin = .*/plugin = "nowhere";/' "$DIR/conf.d/tokens.conf"
    start_renewd || exit 1
    check "$s: and holds the job for its file" wait_until 60 held_is nowhere
    mv "$DIR/conf.d/tokens.conf.was" "$DIR/conf.d/tokens.conf"
    ctl reload > /dev/null
    check "$s: mended, it is held for its plugin as before" wait_until 60 held_is 'plugin careless is at fault'
    check "$s: and spent nothing" presented_is 2
}

on_both() { # COMMAND...: at each of the two hosts
    wait_until 60 "$@" && second wait_until 60 "$@"
}

# Two hosts: both know the hold, and both hear of its end; also of one that was asked for in SQL. Meanwhile the table
# keeps both from working.
two_hosts() {
    local s="two hosts" at_fault='plugin careless is at fault'
    start_second || exit 1
    check "$s: the second one knows that the job is held for its plugin" second wait_until 60 held_is "$at_fault"
    column expires_at ends
    check "$s: both are held for the table as well" on_both held_is expires_at
    check_fails "$s: the job is resumed at the second one" second ctl resume tokens
    check "$s: both hear that the plugin's hold is over" on_both held_not "$at_fault"
    check "$s: and are held for the table" on_both held_is expires_at
    column ends expires_at
    check "$s: they go on, and both hear of the next fault" on_both held_is "$at_fault"
    column expires_at ends
    check "$s: both are held for the table again" on_both held_is expires_at
    sql "select renewd.resume('tokens')" > /dev/null
    check "$s: a resume in SQL ends the plugin's hold at both" on_both held_not "$at_fault"
    stop_process "$SECOND_PID"
    SECOND_PID=''
}

mkdir -p "$DIR/plugins"
cp "$PLUGIN_DIR/oauth2.so" "$DIR/plugins/"
PLUGIN_DIR=$DIR/plugins
check "the plugin is built" ${CC:-cc} -shared -fPIC -I"$TOP/include" -I"$TOP/plugins" -o "$PLUGIN_DIR/careless.so" \
    "$TOP/tests/plugins/careless.c" "$TOP/plugins/oauth_common.c"
start_simulator
for store in sqlite postgresql; do
    stage $store
    careless_job
    start_renewd || exit 1
    both_reasons $store
    no_plugin $store
    [ $store = sqlite ] || two_hosts
    stop_renewd
done
no_tokens_in_logs
finish
