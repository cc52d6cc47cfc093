#!/bin/bash
# SPDX-License-Identifier: MIT
# renewd --check: a mistake in renewd.conf hides none of conf.d; what is odd is named by name and place, never by
# value; credentials of systemd outside of a service.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/bad.sh"


edit() { # JOB SED
    sed -i "$2" "$DIR/conf.d/$1.conf"
}

both_files() {
    google_job one of_one 'in_flight = "many";'
    google_job two of_two
    edit two 's/env:TEST_SECRET/env:TEST_SECRET_THAT_IS_NOT/'
    sed -i 's/env:RENEWD_TEST_KEY/env:RENEWD_KEY_THAT_IS_NOT/; $a stat_dir = "x";' "$CONF"
    run_renewd --check
    check_equal "mistakes in renewd.conf and in conf.d: 78" 78 $?
    check_match "the key that is not set" 'renewd.conf:[0-9]+: .*env:RENEWD_KEY_THAT_IS_NOT is not set' "$(logs)"
    check_match "the unknown setting of renewd.conf" "renewd.conf:[0-9]+: .*did you mean 'state_dir'" "$(logs)"
    check_match "the job's mistake" "one.conf:[0-9]+: setting 'in_flight'" "$(logs)"
    check_match "the job's secret" 'two.conf:[0-9]+: .*env:TEST_SECRET_THAT_IS_NOT is not set' "$(logs)"
    sed -i '$a spool_keep = = ;' "$CONF"
    run_renewd --check
    check_equal "a renewd.conf that does not parse: 78" 78 $?
    check_match "its place" 'renewd.conf:[0-9]+: syntax error' "$(cat "$DIR/renewd.log")"
    check_match "and the job's mistake" "one.conf:[0-9]+: setting 'in_flight'" "$(cat "$DIR/renewd.log")"
    check_match "and the job's secret" 'two.conf:[0-9]+: .*env:TEST_SECRET_THAT_IS_NOT is not set' "$(cat "$DIR/renewd.log")"
    check_no_match "no plugin is missed, for nobody knows where they are" 'no plugin' "$(cat "$DIR/renewd.log")"
    run_renewd
    check_equal "the daemon does not start with it: 78" 78 $?
}

warnings() {
    google_job one of_one
    printf '"a-s3cret-of-mine"\r\n' > "$DIR/client.secret"
    chmod 644 "$DIR/client.secret"
    edit one "s,env:TEST_SECRET,file:$DIR/client.secret,"
    chmod 666 "$DIR/conf.d/one.conf"
    echo 'reconnect_url = "https://app.example.com/connections";' >> "$DIR/conf.d/one.conf"
    run_renewd --check
    check_equal "what is odd is no mistake: 0" 0 $?
    local out
    out=$(cat "$DIR/renewd.log")
    check_match "quotes round a secret" "^warning: .*one.conf:[0-9]+: .*client.secret stands in quotes" "$out"
    check_match "a secret for everybody" "^warning: .*client.secret may be read by everybody \(mode 0644\): chmod o-r" "$out"
    check_match "a job's file for everybody" "^warning: .*one.conf: .*may be written by everybody \(mode 0666\)" "$out"
    check_match "a page that is nobody's" "^warning: .*one.conf:[0-9]+: setting 'reconnect_url' still points" "$out"
    check_no_match "no value" 's3cret-of-mine' "$out"
    check_no_match "no word of the CR LF, which is the file's own end of line" 'carriage|line end' "$out"
}

ca_files() {
    google_job one of_one "http = { ca_file = \"$DIR/ca.pem\"; };"
    run_renewd --check
    check_equal "no ca_file: 78" 78 $?
    check_match "it is named with its line" "one.conf:[0-9]+: setting 'ca_file': .*ca.pem cannot be read: No such file" "$(cat "$DIR/renewd.log")"
    head -c 300 /dev/urandom > "$DIR/ca.pem"
    run_renewd --check
    check_equal "garbage as ca_file: 78" 78 $?
    check_match "it says so" "ca.pem holds no certificate" "$(cat "$DIR/renewd.log")"
    start_renewd
    ctl --json jobs > "$DIR/jobs.out"
    check_match "the job is held with it" '"held": *"[^"]*ca_file' "$(cat "$DIR/jobs.out")"
    stop_renewd
}

credentials() {
    google_job one of_one
    edit one 's/env:TEST_SECRET/credential:google-secret/'
    run_renewd --check
    check_equal "credentials outside of a service: 78" 78 $?
    if [ ! -d /run/credentials/renewd.service ]; then
        check_match "how to check as the service would" \
            'systemd-run --pipe .* -p LoadCredential=google-secret:/PATH renewd -c .*renewd.conf --check' "$(cat "$DIR/renewd.log")"
    fi
    # Those of the running service, for who may read them: in a /run of our own.
    if unshare -m sh -c 'mount -t tmpfs tmpfs /run' 2> /dev/null; then
        unshare -m sh -c 'mount -t tmpfs tmpfs /run && mkdir -p /run/credentials/renewd.service &&
            echo google-value > /run/credentials/renewd.service/google-secret && exec "$@"' \
            sh "$RENEWD" -c "$CONF" --check > "$DIR/service.out" 2>&1
        check_equal "those of the running service are read: 0" 0 $?
        check_match "and that is said" '^credentials are read from /run/credentials/renewd.service' "$(cat "$DIR/service.out")"
    fi
    mkdir "$DIR/credentials"
    echo google-value > "$DIR/credentials/google-secret"
    CREDENTIALS_DIRECTORY=$DIR/credentials run_renewd --check
    check_equal "with them: 0" 0 $?
}

start_simulator
# Where the spool lies nobody else may write, and nothing of renewd's own is a link.
state_dirs() {
    healthy
    mkdir "$DIR/state" && chmod 777 "$DIR/state"
    run_renewd --check
    check_equal "a state_dir for everybody: 78" 78 $?
    check_match "it is named, with what to do" 'renewd.conf:[0-9]+: the state directory may be written by everybody \(mode 0777\).*chmod 700' "$(cat "$DIR/renewd.log")"
    run_renewd
    check_equal "and the daemon does not start: 78" 78 $?
    chmod 770 "$DIR/state"
    run_renewd --check
    check_match "one for its group is named" 'warning: .*the state directory may be written by its group' "$(cat "$DIR/renewd.log")"
    rmdir "$DIR/state"
    echo > "$DIR/state"
    run_renewd --check
    check_equal "a state_dir that is a file: 78" 78 $?
    check_match "it is named" "renewd.conf: setting 'state_dir': $DIR/state is not a directory" "$(logs)"
    run_renewd --once
    check_equal "and nothing starts: 1" 1 $?
    sed -i 's,^state_dir = .*,state_dir = "state/below";,' "$CONF"
    run_renewd --check
    check_equal "a state_dir below a file: 78" 78 $?
    sed -i 's,^state_dir = .*,state_dir = "state";,' "$CONF"
    rm "$DIR/state"
    mkdir -m 700 "$DIR/elsewhere"
    ln -s "$DIR/elsewhere" "$DIR/state"
    run_renewd --check
    check_equal "a state_dir that is a link is none: 0" 0 $?
    check_match "and is named" 'warning: .*the state directory is a symbolic link' "$(cat "$DIR/renewd.log")"
    check "it is used" run_renewd --once
    mv "$DIR/elsewhere/host" "$DIR/host.aside"
    ln -s "$DIR/host.aside" "$DIR/elsewhere/host"
    run_renewd --once
    check_equal "a host id that is a link: 1" 1 $?
    check_match "is not followed" "the host id .*/host cannot be read" "$(cat "$DIR/renewd.log")"
    mv "$DIR/host.aside" "$DIR/elsewhere/host"
    rm -rf "$DIR/elsewhere/spool"
    mkdir -m 700 "$DIR/other"
    ln -s "$DIR/other" "$DIR/elsewhere/spool"
    healthy_again
    run_renewd --once
    check_equal "a spool that is a link: 1" 1 $?
    check_match "it is named" 'the spool cannot be used: .*/spool is a symbolic link' "$(cat "$DIR/renewd.log")"
    check_equal "nothing was put there" '' "$(ls "$DIR/other")"
    rm "$DIR/elsewhere/spool"
    mkdir "$DIR/elsewhere/spool" && chmod 777 "$DIR/elsewhere/spool"
    run_renewd --once
    check_match "a spool for everybody" 'the spool cannot be used: .*may be written by everybody' "$(cat "$DIR/renewd.log")"
}

# An exit of 0 does not look like work where there is none.
no_jobs() {
    run_renewd --once
    check_equal "no job: --once exits 0" 0 $?
    check_match "and says why nothing was done" "^renewd: no job is enabled in $DIR/conf.d\$" "$(logs)"
    healthy
    run_renewd --once
    check_no_match "a job is there: no such word" 'no job is enabled' "$(logs)"
    google_job two of_two 'enabled = false;'
    run_renewd --check
    check_match "--check counts who is disabled" '2 jobs \(1 disabled\), no mistakes' "$(logs)"
    rm "$DIR/conf.d/healthy.conf"
    mv "$DIR/conf.d/two.conf" "$DIR/conf.d/acme.cnf"
    run_renewd --once
    check_match "a file of another name is none" "^renewd: no job is enabled in $DIR/conf.d\$" "$(logs)"
    mv "$DIR/conf.d/acme.cnf" "$DIR/conf.d/two.conf"
    run_renewd --once
    check_equal "the only one is disabled: 0" 0 $?
    check_match "and that is said" "^renewd: no job is enabled in $DIR/conf.d\$" "$(logs)"
}

for t in no_jobs both_files warnings ca_files credentials state_dirs; do
    stage sqlite
    rm -rf "$DIR/state"
    $t
done
no_tokens_in_logs
finish
