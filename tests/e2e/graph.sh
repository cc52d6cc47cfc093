# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What the tests of Instagram's and Meta's jobs share. Times are real at first: the simulator's clock runs
# ahead by AHEAD seconds, and renewd is told so.

AHEAD=0
export FACEBOOK_APP_ID=app FACEBOOK_APP_SECRET=hush-facebook INSTAGRAM_APP_ID_ALYAN=app \
    INSTAGRAM_APP_SECRET_ALYAN=hush-instagram

# graph_stage STORE: a new database, no jobs, a forgetful simulator that knows the apps.
graph_stage() {
    make_store "$1"
    sim reset '{}' > /dev/null
    AHEAD=0
    forget_renewd
    write_conf
    sim clients '{"provider":"instagram","client_id":"app","client_secret":"hush-instagram"}' > /dev/null
    sim clients '{"provider":"facebook","client_id":"app","client_secret":"hush-facebook"}' > /dev/null
}

# job FILE PROVIDER [SED...]: a shipped job at the simulator.
job() {
    local file=$1 url=base_url
    [ "$2" = facebook ] && grep -q '^plugin = "instagram"' "$TOP/conf.d/$file" && url=facebook_url
    sed -e "/^settings = {/a\    $url = \"$SIM_URL/$2\";" -e 's/^enabled = false;//' -e '/^functions/d' \
        "${@:3}" "$TOP/conf.d/$file" > "$DIR/conf.d/$file"
}

later() { # SECONDS
    AHEAD=$((AHEAD + $1))
    sim clock "{\"advance\":$1}" > /dev/null
}

once() { run_at_time "$(($(date +%s) + AHEAD))" --once; }

text() { # quoted for SQL
    printf "'%s'" "${1//\'/\'\'}"
}

time_sql() { # UNIX, as the table has it: zone ("without") or not
    if [ "$STORE" = sqlite ]; then
        if [ "${2:-}" = without ]; then echo "datetime($1, 'unixepoch')"; else echo "$1"; fi
    elif [ "${2:-}" = without ]; then echo "to_timestamp($1) at time zone 'UTC'"
    else echo "to_timestamp($1)"; fi
}

# account PROVIDER NAME MEMBERS: a new account; sets TOKEN and EXPIRES.
account() {
    IFS=$'\t' read -r _ TOKEN _ EXPIRES <<< "$(sim 'accounts?format=tsv' \
        "{\"provider\":\"$1\",\"account\":\"$2\"${3:+,$3}}")"
}

days() { echo $(($1 * 86400)); }

stands() { # KEY: outcome, code and strikes of renewd's record
    sql "select last_outcome, coalesce(last_code, ''), strikes from $(own records) where rkey = '$1'"
}
