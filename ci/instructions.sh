#!/usr/bin/env bash
# How many instructions the hot paths take, counted by callgrind, which says the same on a busy machine as on an idle one. Fails if any of them takes
# over 3 % more than benches/instructions/baseline.txt says, and cannot tell with another compiler than that which the file names. `ci/instructions.sh update`
# writes that file anew.
source "$(dirname "$0")/common.sh"
need_rust
need valgrind valgrind

baseline=$PWD/benches/instructions/baseline.txt
# Benchmark and runner must be of one version.
version=$(awk '/^name = "gungraun"$/ { getline; gsub(/version = |"/, ""); print }' Cargo.lock)
need_tool gungraun-runner "$version"
[ "$(gungraun-runner --version 2>/dev/null | awk '{ print $2 }')" = "$version" ] || {
    echo "error: please install gungraun-runner $version: cargo install --locked gungraun-runner --version $version" >&2
    exit 3
}

step "instructions of the hot paths"
# With what users get who chose nothing.
unset RUSTFLAGS
builds cargo bench --quiet -p coflight-bench-instructions --no-run
log=$(mktemp)
status=0
cargo bench --quiet -p coflight-bench-instructions --bench hot_paths >"$log" 2>&1 || status=$?
if [ $status != 0 ]; then
    cat "$log"
    exit 3
fi
# So many calls a measurement, which `CALLS` of hot_paths.rs says, too.
counted=$(awk -v calls=100 '/^hot_paths::/ { split($1, path, "::"); name = path[3] }
    /Instructions:/ { split($2, count, "|"); printf "%s %.0f\n", name, count[1] / calls }' "$log")
rm "$log"
compiler="# instructions a call; $(rustc --version | cut -d' ' -f1,2), $(uname -m)"
if [ "${1:-}" = update ]; then
    printf '%s\n%s\n' "$compiler" "$counted" >"$baseline"
    cat "$baseline"
    exit
fi
if [ "$(head -n 1 "$baseline")" != "$compiler" ]; then
    echo "$counted"
    echo "error: not compared, because the baseline is of another compiler: $(head -n 1 "$baseline")" >&2
    exit 3
fi
awk 'NR == FNR { if ($1 != "#") before[$1] = $2; next }
    {
        seen[$1] = 1
        if (!($1 in before)) { printf "  %-16s %6d   not in the baseline\n", $1, $2; bad = 1; next }
        change = 100 * ($2 / before[$1] - 1)
        remark = (change > 3) ? "   too many" : ((change < -3) ? "   better: please update the baseline" : "")
        printf "  %-16s %6d   %+.1f %%%s\n", $1, $2, change, remark
        if (change > 3) bad = 1
    }
    END {
        for (name in before) if (!(name in seen)) { printf "  %-16s was not counted\n", name; bad = 1 }
        exit bad
    }' "$baseline" <(echo "$counted") || {
    echo "error: slower than the baseline; if that is worth it, say why in docs/performance.md, and run ci/instructions.sh update" >&2
    exit 1
}
