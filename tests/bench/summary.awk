# SPDX-License-Identifier: MIT
# The bench's results as a table and as JSON: median, least and greatest of the rounds; ratios are the median of each
# round's own. Variables: json (the file), version, when, load, processors.
BEGIN {
    FS = "\t"
    units["rate"] = "refreshes/s"; units["users"] = "users/s"; units["rows"] = "rows/s"
    units["cpu"] = "own CPU, s/1000"; units["pg_cpu"] = "PostgreSQL CPU, s/1000"; units["wal"] = "WAL, bytes each"
    units["rss"] = "peak RSS, MiB"; units["rss_now"] = "RSS, MiB"; units["open"] = "connections open"; units["bound"] = "of in flight/latency"
    units["idle_cpu"] = "own CPU, % of a core"; units["idle_pg"] = "PostgreSQL, % of a core"; units["wakeups"] = "wake-ups/s"; units["p50"] = "p50, ms"; units["p99"] = "p99, ms"
}
{
    key = $1 SUBSEP $4
    if (!(key in known)) { known[key] = 1; keys[++count] = key }
    value[$1, $4, $2, $3] = $5
    if ($3 > rounds) rounds = $3
}
function sorted(list, n,    i, k, x) {
    for (i = 2; i <= n; i++) {
        x = list[i]
        for (k = i - 1; k > 0 && list[k] > x; k--) list[k + 1] = list[k]
        list[k + 1] = x
    }
}
# The rounds of one who: median, least, most; false without any.
function measure(scenario, metric, who,    r, n, list) {
    n = 0
    for (r = 1; r <= rounds; r++)
        if ((scenario, metric, who, r) in value) list[++n] = value[scenario, metric, who, r] + 0
    if (!n) return 0
    sorted(list, n)
    median = n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
    least = list[1]; most = list[n]
    return 1
}
function ratio(scenario, metric, who,    r, n, list, below) {
    n = 0
    for (r = 1; r <= rounds; r++)
        if ((scenario, metric, who, r) in value && (scenario, metric, "renewd", r) in value) {
            below = value[scenario, metric, who, r]
            if (below > 0) list[++n] = value[scenario, metric, "renewd", r] / below
        }
    if (!n) return ""
    sorted(list, n)
    return sprintf("%.2f", n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2)
}
function shown(x) {
    return x >= 100 ? sprintf("%.0f", x) : x >= 10 ? sprintf("%.1f", x) : x >= 1 ? sprintf("%.2f", x) : sprintf("%.3f", x)
}
function cell(scenario, metric, who) {
    if (!measure(scenario, metric, who)) return "-"
    return rounds > 1 ? shown(median) " (" shown(least) "-" shown(most) ")" : shown(median)
}
function member(scenario, metric, who) {
    if (!measure(scenario, metric, who)) return ""
    return sprintf(", \"%s\": {\"median\": %.6g, \"min\": %.6g, \"max\": %.6g}", who, median, least, most)
}
END {
    line = "%-18s %-24s | %-22s | %-22s | %-22s | %6s %6s\n"
    printf line, "scenario", "what", "renewd", "bare: update only", "bare: promises too", "/upd.", "/prom."
    printf "{\"version\": \"%s\", \"at\": \"%s\", \"rounds\": %d, \"processors\": %d, \"load_before\": %s, \"results\": [", \
        version, when, rounds, processors, load > json
    for (i = 1; i <= count; i++) {
        split(keys[i], part, SUBSEP)
        s = part[1]; m = part[2]
        if (s != last && last != "") print ""
        last = s
        up = ratio(s, m, "update"); pr = ratio(s, m, "promises")
        printf line, s, m in units ? units[m] : m, cell(s, m, "renewd"), cell(s, m, "update"), cell(s, m, "promises"), up, pr
        printf "%s\n{\"scenario\": \"%s\", \"metric\": \"%s\", \"unit\": \"%s\"%s%s%s%s%s}", (i > 1 ? "," : ""), s, m, \
            m in units ? units[m] : m, member(s, m, "renewd"), member(s, m, "update"), member(s, m, "promises"), \
            up == "" ? "" : ", \"to_update\": " up, pr == "" ? "" : ", \"to_promises\": " pr > json
    }
    print "\n]}" > json
    printf "\n# %s, %s, %d processors, load %s before; %d rounds. In brackets: least and greatest. It is in %s\n", \
        version, when, processors, load, rounds, json
}
