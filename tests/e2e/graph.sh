# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What the tests of Instagram's and Meta's jobs share. Times are real at first: the simulator's clock runs
# ahead by AHEAD seconds, and renewd is told so.

AHEAD=0
export FACEBOOK_APP_ID=app FACEBOOK_APP_SECRET=hush-facebook INSTAGRAM_APP_ID_ALYAN=app \
    INSTAGRAM_APP_SECRET_ALYAN=hush-instagram

own() { # renewd's own table NAME
    if [ "$STORE" = postgresql ]; then echo "renewd.$1"; else echo "renewd_$1"; fi
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

once() { run_renewd --once --at "$(($(date +%s) + AHEAD))"; }

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

no_secrets_in_logs() {
    check_no_match "no token and no secret in any log" '(instagram|facebook)\.at\.|hush-' "$(cat "$DIR/renewd.all")"
}
