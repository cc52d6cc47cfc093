#!/bin/bash
# SPDX-License-Identifier: MIT
# Files that are no plugins, or not the ones that were meant: each holds its job with a sentence that names
# the file and the remedy, and the job beside it runs.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/bad.sh"

REAL=$PLUGIN_DIR
PLUGIN_DIR=$DIR/plugins

build() { # NAME SOURCE
    ${CC:-cc} -shared -fPIC -I"$TOP/include" -I"$TOP/tests/plugins" -o "$PLUGIN_DIR/$1.so" "$2"
}

# Two bytes of the header: for which machine.
other_machine() {
    cp "$REAL/youtube.so" "$PLUGIN_DIR/bad_machine.so"
    local machine='\xb7\x00'
    [ "$(uname -m)" != aarch64 ] || machine='\x3e\x00'
    # shellcheck disable=SC2059
    printf "$machine" | dd of="$PLUGIN_DIR/bad_machine.so" bs=1 seek=18 conv=notrunc status=none
}

make_plugins() {
    local size name
    mkdir -p "$PLUGIN_DIR"
    cp "$REAL/youtube.so" "$PLUGIN_DIR/youtube.so"
    cp "$REAL/youtube.so" "$PLUGIN_DIR/other.so"
    for name in bad_callback bad_later bad_null bad_size bad_symbol; do
        build $name "$TOP/tests/plugins/$name.c"
    done
    size=$(stat -c %s "$REAL/youtube.so")
    for part in 0 3 17 40 700; do
        head -c $part "$REAL/youtube.so" > "$PLUGIN_DIR/cut_$part.so"
    done
    head -c $((size / 2)) "$REAL/youtube.so" > "$PLUGIN_DIR/cut_half.so"
    head -c $((size - 1)) "$REAL/youtube.so" > "$PLUGIN_DIR/cut_last.so"
    head -c 30000 /dev/urandom > "$PLUGIN_DIR/foreign_noise.so"
    echo 'INPUT ( /lib/x.so )' > "$PLUGIN_DIR/foreign_text.so"
    mkdir "$PLUGIN_DIR/foreign_folder.so"
    mkfifo "$PLUGIN_DIR/foreign_pipe.so"
    cp "$(type -P true)" "$PLUGIN_DIR/foreign_program.so"
    other_machine
    echo 'int absent_function(void); int here(void); int here(void) { return absent_function(); }' \
        > "$DIR/undefined.c"
    build undefined "$DIR/undefined.c"
}

# EXPECT: what the reason must say, by plugin.
expect() {
    cat <<EOF
nowhere there is no plugin nowhere: .*/nowhere.so does not exist; install it, or correct
bad_callback bad_callback.so lacks the callback refresh
bad_later bad_later.so is built for a later renewd .*renewd_plugin_v2.*update renewd
bad_null bad_null.so gives no descriptor
bad_size bad_size.so gives a wrong size
bad_symbol bad_symbol.so is not a plugin of renewd: it does not export renewd_plugin_v1
cut_0 cut_0.so is empty; install
cut_3 cut_3.so is cut off; install
cut_17 cut_17.so is cut off; install
cut_40 cut_40.so is cut off; install
cut_700 cut_700.so is cut off; install
cut_half cut_half.so is cut off; install
cut_last cut_last.so is cut off; install
foreign_noise foreign_noise.so is not an ELF file
foreign_text foreign_text.so is not an ELF file
foreign_folder foreign_folder.so is not a regular file
foreign_pipe foreign_pipe.so is not a regular file
foreign_program foreign_program.so .*(not a shared object|not a plugin|cannot dynamically load)
bad_machine bad_machine.so is for another machine \((aarch64|x86_64)\); build
undefined undefined.so could not be loaded: .*absent_function
other other.so .*(youtube|name)
EOF
}

bad_jobs() {
    local name rest
    while read -r name rest; do
        google_job "with_$name" tokens
        sed -i "s/plugin = \"youtube\"/plugin = \"$name\"/" "$DIR/conf.d/with_$name.conf"
    done < <(expect)
}

check_reasons() { # WHAT TEXT
    local name reason
    while read -r name reason; do
        check_match "$1: $name" "$reason" "$(printf '%s\n' "$2" | grep "with_$name[^_a-z0-9]")"
    done < <(expect)
}

once_and_check() {
    local status
    stage sqlite
    healthy
    make_accounts_table tokens
    load_accounts google tokens 1 one-
    bad_jobs
    run_renewd --check
    check_equal "--check exits 78" 78 $?
    check_reasons "--check" "$(logs)"
    check_match "--check gives the line" 'with_nowhere.conf:[0-9]+: ' "$(logs)"
    run_renewd --once
    status=$?
    check_equal "--once exits 1: jobs are held" 1 $status
    check_reasons "--once" "$(cat "$DIR/renewd.log")"
    check_equal "--once: each of their jobs is held" "$(expect | wc -l)" "$(grep -c 'job with_.* is held' "$DIR/renewd.log")"
    check_healthy "--once"
    check_equal "no record of a held job was asked for" 0 \
        "$(sim_get 'accounts?provider=google&format=tsv' | awk -F '\t' '/^one-/ { n += $5 } END { print n + 0 }')"
}

# A plugin that is put right is taken at the next reload.
put_right() {
    rm -f "$DIR"/conf.d/with_*
    google_job late tokens
    sed -i 's/plugin = "youtube"/plugin = "other"/' "$DIR/conf.d/late.conf"
    healthy_again
    start_renewd
    check "the daemon starts beside a held job" renewd_is_up
    check_match "the job is shown held, with its reason" 'other\.so' "$(ctl --json jobs)"
    check "the healthy job runs in the daemon" wait_until 20 compare_truth google healthy well-
    rm "$PLUGIN_DIR/cut_half.so"
    sed -i 's/plugin = "other"/plugin = "youtube"/' "$DIR/conf.d/late.conf"
    ctl reload > "$DIR/reload.out" 2>&1
    check "after reload the job runs" wait_until 20 compare_truth google tokens one-
    check "the daemon still lives" renewd_is_up
    stop_renewd
}

start_simulator
make_plugins
once_and_check
put_right
no_tokens_in_logs
finish
