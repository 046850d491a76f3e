#!/usr/bin/env bash
# Shows that the checks can fail: plants each bug of ci/bugs in a copy of this tree and demands that every script named in it fails there.
# With arguments, only the bugs so named.
source "$(dirname "$0")/common.sh"

# A patch begins with what the bug is, and a line `Caught by: script, script:argument`.
caught=0
for patch in ci/bugs/*.patch; do
    bug=$(basename "$patch" .patch)
    [ $# = 0 ] || [[ " $* " == *" $bug "* ]] || continue
    scripts=$(sed -n 's/^Caught by: //p' "$patch" | tr ',' ' ')
    [ -n "$scripts" ] || { echo "error: $patch does not say what catches it" >&2; exit 1; }
    for script in $scripts; do
        log=target/planted/${script/:/-}-$bug.log
        IFS=: read -r name argument <<<"$script"
        mkdir -p target/planted
        status=0
        BUG=$bug "./ci/$name.sh" ${argument:+"$argument"} >"$log" 2>&1 || status=$?
        case $status in
            0) echo "error: $script did not notice '$bug': see $log" >&2; exit 1 ;;
            3) echo "error: $script could not try '$bug': see $log" >&2; exit 1 ;;
        esac
        echo "  $script caught $bug"
        caught=$((caught + 1))
    done
done
echo "planted bugs caught: $caught"
