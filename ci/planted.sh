#!/usr/bin/env bash
# Shows that the checks can fail: plants each bug of ci/bugs in a copy of this tree and demands that every script named in it fails there.
# `ci/planted.sh BUG…` plants only these; `ci/planted.sh quick` only the first for each script that builds nothing but core. Ends with 1 if a bug went by, and with 3 if one
# could not be tried.
source "$(dirname "$0")/common.sh"

if [ "$*" != quick ]; then
    for bug; do
        [ -e "ci/bugs/$bug.patch" ] || { echo "error: no such bug: $bug; there are: $(cd ci/bugs && echo *.patch)" >&2; exit 3; }
    done
fi

# A patch begins with what the bug is, and a line `Caught by: script, script:argument`.
caught=0
tried=" "
for patch in ci/bugs/*.patch; do
    bug=$(basename "$patch" .patch)
    [ $# = 0 ] || [ "$1" = quick ] || [[ " $* " == *" $bug "* ]] || continue
    scripts=$(sed -n 's/^Caught by: //p' "$patch" | tr ',' ' ')
    [ -n "$scripts" ] || { echo "error: $patch does not say what catches it" >&2; exit 3; }
    for script in $scripts; do
        IFS=: read -r name argument <<<"$script"
        [ "${1:-}" != quick ] || [[ "loom shuttle" == *$name* && $tried != *" $name "* ]] || continue
        tried+="$name "
        log=target/planted/$name-$bug.log
        mkdir -p target/planted
        began=$SECONDS
        status=0
        BUG=$bug "./ci/$name.sh" ${argument:+"$argument"} >"$log" 2>&1 || status=$?
        case $status in
            0) echo "error: $script did not notice '$bug': see $log" >&2; exit 1 ;;
            1) echo "  $script caught $bug ($((SECONDS - began)) s)" ;;
            *) echo "error: $script could not try '$bug' and ended with $status: see $log" >&2; exit 3 ;;
        esac
        caught=$((caught + 1))
    done
done
[ "$caught" -gt 0 ] || { echo "error: nothing was planted" >&2; exit 3; }
echo "planted bugs caught: $caught"
