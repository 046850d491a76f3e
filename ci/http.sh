#!/usr/bin/env bash
# HTTP with real clients: the layer's, the board's and the proxy's own tests, then the proxy with curl, wrk and a browser in front of it, and the web
# services with their databases. Everything listens on loopback only, and is stopped at the end. Leaves a picture of the board in target/http.
source "$(dirname "$0")/common.sh"
need_rust
need curl curl
need jq jq
need wrk wrk
need chromium chromium
need chromedriver chromium-driver

out=target/http
rm -rf "$out"
mkdir -p "$out"
started=()
# Where PostgreSQL keeps its data, once there is such a folder, and what its programs are run as.
cluster='' postgres='' owner=$(id -un 2>/dev/null || id -u)
as_owner() {
    if [ "$owner" != postgres ] || [ "$(id -u)" != 0 ]; then "$@"; else runuser -u "$owner" -- "$@"; fi
}
clean_up() {
    # The browser, which does not go with its driver.
    [ -z "${session:-}" ] || curl -s -m 5 -X DELETE "http://127.0.0.1:$port/session/$session" >/dev/null || true
    for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait
    [ -n "$cluster" ] || return 0
    [ ! -e "$cluster/data/postmaster.pid" ] || as_owner "$postgres/pg_ctl" -D "$cluster/data" -m immediate stop >/dev/null || true
    rm -rf "$cluster"
}
trap clean_up EXIT

fail() {
    echo "error: $*" >&2
    exit 1
}

# serve NAME COMMAND...: starts a server, and puts where it listens into the variable NAME, and its process into NAME_pid.
serve() {
    local name=$1 log=$out/$1.log
    shift
    "$@" >"$out/$name.out" 2>"$log" &
    started+=($!)
    printf -v "${name}_pid" %s $!
    local tries
    for tries in $(seq 300); do
        printf -v "$name" %s "$(sed -n 's|^listening on \(http://[^;, ]*\).*|\1|p' "$log" | head -n 1)"
        [ -z "${!name}" ] || return 0
        sleep 0.1
    done
    fail "$name does not start: $(cat "$log")"
}

stop() {
    kill "$1"
    wait "$1" || true
}

step "tests of the layer, the board and the proxy"
builds cargo test --quiet -p coflight-tower -p coflight-board -p coflight-proxy --no-run
cargo test --quiet -p coflight-tower -p coflight-board -p coflight-proxy --lib --tests || exit 1

step "building the proxy and the services"
builds cargo build --release --quiet -p coflight-proxy -p coflight-example-axum -p coflight-example-actix --examples
bin=target/release/examples
ulimit -n 8192

serve origin "$bin/origin" 127.0.0.1:0
start_proxy() {
    serve proxy "$bin/proxy" --upstream "$origin" --listen 127.0.0.1:0 "$@"
}
start_proxy --keep-in-all $((32 << 20))

counts() {
    curl -s "$origin/counts" | jq ".$1"
}
metric() {
    curl -s "$proxy/metrics" | awk -v name="$1" '$1 == name { print $2; found = 1 } END { if (!found) print 0 }'
}
# memory WHAT: kilobytes of the proxy, VmRSS or VmHWM.
memory() {
    awk -v what="$1:" '$1 == what { print $2 }' "/proc/$proxy_pid/status"
}

step "curl"
head=$(curl -s -D - -o "$out/body" "$proxy/slow?ms=10")
grep -qi '^x-coflight: led' <<<"$head" || fail "not led: $head"
grep -q '^answer 1$' "$out/body" || fail "not the answer: $(cat "$out/body")"
[ "$(curl -s --http2-prior-knowledge -o /dev/null -w '%{http_version} %{http_code}' "$proxy/slow?ms=10")" = "2 200" ] || fail "no HTTP/2"
[ "$(curl -sI -o /dev/null -w '%{http_code} %header{content-length}' "$proxy/bytes?n=12345")" = "200 12345" ] || fail "HEAD without its length"
before=$(counts requests)
seq 50 | xargs -P 50 -I{} curl -s "$proxy/slow?ms=1000" | sort | uniq -c >"$out/answers"
echo "50 curls, $(($(counts requests) - before)) requests to the upstream: $(cat "$out/answers")"
[ "$(($(counts requests) - before))" -le 3 ] || fail "not coalesced"
[ "$(seq 5 | xargs -P 5 -I{} curl -s -H 'authorization: {}' "$proxy/slow?ms=300" | sort -u | wc -l)" = 5 ] || fail "answers were shared across credentials"
[ "$(seq 5 | xargs -P 5 -I{} sh -c "curl -s -D - '$proxy/cookie?ms=300' | grep -i ^set-cookie" | sort -u | wc -l)" = 5 ] || fail "a cookie was shared"

step "wrk: 1,000 connections on one slow URL"
curl -s -o /dev/null "$origin/reset"
wrk -t 2 -c 1000 -d 5s --timeout 5s "$proxy/slow?ms=200&wrk" | tee "$out/wrk"
answered=$(awk '/requests in/ { print $1 }' "$out/wrk")
asked=$(counts requests)
echo "$answered answers from $asked requests to the upstream, at most $(counts most_at_a_time) of one URL at a time"
! grep -q 'Non-2xx\|Socket errors' "$out/wrk" || fail "some were not answered"
[ "$(counts most_at_a_time)" = 1 ] || fail "not one at a time"
[ "$asked" -le 30 ] && [ "$answered" -ge $((asked * 50)) ] || fail "$answered answers from $asked requests"

step "bodies of 1 GiB"
gib=$((1 << 30))
before=$(memory VmRSS)
# Three at once, before the answer begins; the third takes 8 MiB a second, and is cut off. The fast ones go at a pace that a busy machine keeps, or the proxy is
# right to cut off one that was stopped for long.
curl -s --limit-rate 200M -o /dev/null -w '%{size_download}\n' "$proxy/bytes?n=$gib&wait=2000" >"$out/first" &
first=$!
curl -s --limit-rate 200M -o /dev/null -w '%{size_download}\n' "$proxy/bytes?n=$gib&wait=2000" >"$out/second" &
second=$!
curl -s --limit-rate 8M -o /dev/null -w '%{size_download}\n' "$proxy/bytes?n=$gib&wait=2000" >"$out/third" &
third=$!
wait "$first" && wait "$second" || fail "a fast reader did not get everything: $(cat "$out/first" "$out/second")"
status=0
wait "$third" || status=$?
echo "fast: $(cat "$out/first") and $(cat "$out/second") bytes; slow: $(cat "$out/third") bytes, then exit code $status of curl"
[ "$(cat "$out/first" "$out/second" | sort -u)" = "$gib" ] || fail "not everything"
[ "$status" = 18 ] || fail "the slow reader was not told that it was cut off: $status"
grown=$(($(memory VmHWM) - before))
echo "memory: $before kB before, at most $(memory VmHWM) kB, so $grown kB more"
[ "$grown" -lt 65536 ] || fail "memory is not flat"

step "an upstream that dies midway"
statuses=$(seq 5 | xargs -P 5 -I{} sh -c "curl -s -o /dev/null '$proxy/die?n=5000000'; echo \$?" | sort -u)
[ "$statuses" = 18 ] || fail "somebody took half for the whole: $statuses"

step "100,000 distinct URLs"
began=$SECONDS
before=$(counts requests)
# In four runs, because one command of curl with that many would hold all their states.
for part in 0 1 2 3; do
    curl -s --no-progress-meter -o /dev/null --parallel --parallel-max 100 "$proxy/slow?ms=0&n=[$((part * 25000 + 1))-$((part * 25000 + 25000))]"
done
echo "$(($(counts requests) - before)) requests in $((SECONDS - began)) s; memory: $(memory VmRSS) kB"
[ "$(($(counts requests) - before))" = 100000 ] || fail "not all of them"
[ "$(memory VmRSS)" -lt 200000 ] || fail "something is kept of each"
[ "$(metric proxy_kept_bytes)" = 0 ] || fail "$(metric proxy_kept_bytes) bytes of bodies are kept"

step "the board, in a browser, under load"
wrk -t 1 -c 200 -d 25s --timeout 5s "$proxy/slow?ms=400&token=do-not-show" >/dev/null &
started+=($!)
curl -s -o /dev/null "$proxy/drip?n=300&ms=100" &
started+=($!)
chromedriver --port=0 >"$out/chromedriver.log" 2>&1 &
started+=($!)
for tries in $(seq 100); do
    port=$(sed -n 's/.*started successfully on port \([0-9]*\).*/\1/p' "$out/chromedriver.log")
    [ -z "$port" ] || break
    sleep 0.1
done
[ -n "$port" ] || fail "no chromedriver: $(cat "$out/chromedriver.log")"
# ask METHOD PATH [JSON]: of the browser's driver.
ask() {
    curl -s -X "$1" -H 'content-type: application/json' "http://127.0.0.1:$port/$2" -d "${3:-}"
}
session() {
    local arguments='["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", '"$1"']'
    session=$(ask POST session "{\"capabilities\": {\"alwaysMatch\": {\"goog:chromeOptions\": {\"args\": $arguments}, \"goog:loggingPrefs\": {\"browser\": \"ALL\"}}}}" | jq -r .value.sessionId)
    [ "$session" != null ] || fail "the browser does not start: $(tail -n 5 "$out/chromedriver.log")"
}
# js EXPRESSION: its value in the page.
js() {
    ask POST "session/$session/execute/sync" "$(jq -n --arg script "return $1" '{script: $script, args: []}')" | jq -r .value
}
# until_js EXPRESSION: until it is true.
until_js() {
    local tries
    for tries in $(seq 100); do
        [ "$(js "$1")" != true ] || return 0
        sleep 0.1
    done
    fail "the page does not get there: $1; it says: $(js 'document.body.innerText')"
}
press() {
    ask POST "session/$session/actions" "{\"actions\": [{\"type\": \"key\", \"id\": \"keys\", \"actions\": [{\"type\": \"keyDown\", \"value\": \"$1\"}, {\"type\": \"keyUp\", \"value\": \"$1\"}]}]}" >/dev/null
}
picture() {
    ask GET "session/$session/screenshot" | jq -r .value | base64 -d >"$out/$1.png"
}
flights='[...document.querySelectorAll("#flights tbody tr")].map((row) => row.innerText)'

session '"--window-size=1280,1250"'
ask POST "session/$session/url" "{\"url\": \"${proxy/127.0.0.1/localhost}/board\"}" >/dev/null
until_js 'document.getElementById("status").textContent === "live"'
until_js "$flights.some((row) => row.includes('/drip?n=…&ms=…') && row.includes('running'))"
until_js "$flights.some((row) => row.includes('/slow?ms=…&token=…'))"
[ "$(js 'document.body.innerText.includes("do-not-show")')" = false ] || fail "the board shows a secret"
until_js 'Number(document.getElementById("joined-rate").textContent.replace(/\D/g, "")) > 100'
until_js 'document.querySelectorAll("#slowest tbody td.text").length > 0'
# Some seconds for the charts.
until_js 'document.querySelector("#calls path.joined")?.getAttribute("d").split("L").length > 8'
picture board
js "$flights.join(' | ')"
# The keyboard: the first stops are the filter and the button; a heading sorts, and says so.
js 'document.body.focus()' >/dev/null
press $'\uE004'
[ "$(js 'document.activeElement.id')" = filter ] || fail "the filter is not the first stop of the keyboard"
press $'\uE004'
[ "$(js 'document.activeElement.id')" = pause ] || fail "the button is not the second"
press ' '
until_js 'document.getElementById("pause").getAttribute("aria-pressed") === "true"'
press ' '
press $'\uE004'
press $'\uE007'
until_js 'document.activeElement.closest("th").getAttribute("aria-sort") === "ascending"'
[ "$(js 'document.querySelectorAll("a:not([href]), button:not([type]), img:not([alt])").length')" = 0 ] || fail "something is out of reach"
severe=$(ask POST "session/$session/se/log" '{"type": "browser"}' | jq -c '[.value[] | select(.level == "SEVERE")]')
[ "$severe" = '[]' ] || fail "the page has errors: $severe"
[ "$(js 'performance.getEntriesByType("resource").filter((entry) => !entry.name.startsWith(location.origin) && !entry.name.startsWith("data:")).length')" = 0 ] || fail "it loads from outside"
light=$(js 'getComputedStyle(document.body).backgroundColor')
ask DELETE "session/$session" >/dev/null
# A phone, in the dark.
session '"--window-size=500,900", "--blink-settings=preferredColorScheme=0"'
ask POST "session/$session/goog/cdp/execute" '{"cmd": "Emulation.setDeviceMetricsOverride", "params": {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": true}}' >/dev/null
ask POST "session/$session/goog/cdp/execute" '{"cmd": "Emulation.setEmulatedMedia", "params": {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}}' >/dev/null
ask POST "session/$session/url" "{\"url\": \"$proxy/board\"}" >/dev/null
until_js "$flights.some((row) => row.includes('/drip'))"
[ "$(js 'document.documentElement.scrollWidth <= document.documentElement.clientWidth')" = true ] || fail "a phone has to scroll sideways"
[ "$(js 'getComputedStyle(document.body).backgroundColor')" != "$light" ] || fail "it is not dark in the dark"
picture board-phone
ask DELETE "session/$session" >/dev/null
[ "$(curl -s -o /dev/null -w '%{http_code}' -H 'host: evil.example' "$proxy/board")" = 403 ] || fail "another site's name opens the board"

step "a graceful end"
curl -s -o "$out/drip" "$proxy/drip?n=20&ms=100&end" &
drip=$!
for tries in $(seq 100); do
    [ ! -s "$out/drip" ] || break
    sleep 0.05
done
kill "$proxy_pid"
status=0
wait "$drip" || status=$?
[ "$status" = 0 ] || fail "a response in progress was cut off: exit code $status of curl"
[ "$(wc -l <"$out/drip")" = 20 ] || fail "not all of it: $(wc -l <"$out/drip") lines"
# The load and the long drip are cut off after the time for that.
wait "$proxy_pid" || fail "the proxy did not end well"
tail -n 2 "$out/proxy.log"
grep -q ' GET 127.0.0.1[^ ]*/slow?ms=…&token=… 200 joined ' "$out/proxy.out" || fail "no such line in the access log"
! grep -q do-not-show "$out/proxy.out" || fail "a secret in the access log"

# queried URL: how often that service has asked its database.
queried() {
    curl -s "$1/stats" | awk '/^[0-9]+ queries of / { print $1; found = 1 } END { exit !found }' || fail "/stats of $1 does not say how many queries there were"
}

# service NAME COMMAND...: a hundred callers of one user are few queries.
service() {
    serve "$@"
    local url=${!1} before after queries
    before=$(queried "$url")
    seq 100 | xargs -P 100 -I{} curl -s "$url/users/42" | sort | uniq -c >"$out/answers" || true
    after=$(queried "$url")
    queries=$((after - before))
    echo "$1, $(curl -s "$url/stats" | awk '/queries of/ { print $4 }'): 100 callers, $queries queries"
    seq 100 | xargs -P 100 -I{} curl -s "$url/users/42" >"$out/users" || true
    [ "$(grep -o '"name":"user 42","posts":200}' "$out/users" | wc -l)" = 100 ] || fail "wrong answers: $(head -c 300 "$out/users")"
    [ "$queries" -ge 1 ] || fail "nobody asked the database"
    [ "$queries" -lt 50 ] || fail "not coalesced"
    [ "$(curl -s -o /dev/null -w '%{http_code}' "$url/users/4711")" = 404 ] || fail "a user who does not exist is not a 404"
    local pid=$1_pid
    [ "$1" != axum ] || [ "$(curl -s -o /dev/null -w '%header{x-coflight} %{http_code}' "$url/report")" = "led 200" ] || fail "the layer is not there"
    stop "${!pid}"
}

step "the web services on SQLite"
service axum "$bin/axum" 127.0.0.1:0
service actix "$bin/actix" 127.0.0.1:0

step "the web services on PostgreSQL"
find_postgres() {
    # The server: the client alone has such a folder, too.
    ls /usr/lib/postgresql/*/bin/initdb 2>/dev/null | tail -n 1 | xargs -r dirname || true
}
postgres=$(find_postgres)
if [ -z "$postgres" ]; then
    install_packages postgresql
    postgres=$(find_postgres)
    [ -n "$postgres" ] || { echo "error: PostgreSQL is still missing after installing: postgresql" >&2; exit 3; }
fi
# PostgreSQL does not run as root.
[ "$(id -u)" != 0 ] || owner=postgres
cluster=$(mktemp -d)
[ "$(id -u)" != 0 ] || chown "$owner" "$cluster"
as_owner "$postgres/initdb" -D "$cluster/data" -U coflight --auth=trust >/dev/null
# On a socket in its own folder, which nobody else can open.
as_owner "$postgres/pg_ctl" -D "$cluster/data" -o "-c listen_addresses='' -k $cluster -c fsync=off" -l "$cluster/log" -w start >/dev/null
export DATABASE_URL="host=$cluster user=coflight dbname=postgres"
service axum "$bin/axum" 127.0.0.1:0
service actix "$bin/actix" 127.0.0.1:0
