#!/usr/bin/env bash
# From a bare machine to answers: installs what is missing, builds, runs all three layers on the example, then the batch layer on this
# machine's own documents.
#
#   bash jobs/quickstart.sh      run again, it does only what is left to do
#
# Everything goes to build/ and out/. LAMINA_PORT (8080) is where the example listens; LAMINA_EVENTS (2000) is how many events it gets.
set -euo pipefail
# shellcheck source=cmake/bootstrap.sh
. "$(dirname "$0")/../cmake/bootstrap.sh"
cd "$lam_root"
[ $# -eq 0 ] || lam_die "usage: bash jobs/quickstart.sh"

lamina=build/release/src/app/lamina
job=jobs/quickstart.json
store=out/quickstart
events=out/quickstart-events.jsonl
count=${LAMINA_EVENTS:-2000}
done_mark=out/quickstart.done # holds the sum that the last complete run ended at
question='{"metrics":[{"op":"sum","field":"/revision"}]}'

# --- 1. install, configure, build ---

build() {
    mapfile -t packages < <(lam_packages build)
    lam_install "${packages[@]}"
    # a build folder that has tests keeps them; a new one does without, and so without what only tests need
    [ -f build/release/build.ninja ] || lam_configure release -DLAMINA_TESTS=OFF
    lam_build release lamina
}

# --- 2. the example ---

# The events, and the number that the sum of /revision has to end at.
generate() {
    mkdir -p out
    if [ ! -s "$events" ] || [ ! -s "$events.sum" ] || [ "$(wc -l <"$events")" -ne "$count" ]; then
        lam_say "writing $count events to $events"
        sh jobs/data/quickstart/events/generate.sh "$count" 2>"$events.sum.tmp" >"$events.tmp"
        mv "$events.tmp" "$events"
        mv "$events.sum.tmp" "$events.sum"
    fi
    expected=$(cat "$events.sum")
}

# A port that nobody listens at: the wanted one, or the next free one.
free_port() {
    local port=$1
    while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
    echo "$port"
}

sum_in() { sed -n 's/.*"metrics":{[^}]*"sum(\/revision)":\(-\{0,1\}[0-9][0-9]*\).*/\1/p'; }

# Asks the server until it is gone; every answer is checked against the one before. Writes "ANSWERS FIRST LAST", or what was wrong, to $2.
ask_on() {
    local url=$1 told=$2 answer now last='' first='' answers=0
    while [ ! -e "$told.stop" ]; do
        if answer=$(curl -fsS -m 10 -H 'Content-Type: application/json' -d "$question" "$url/v1/aggregate" 2>/dev/null); then
            now=$(sum_in <<<"$answer")
            if [ -n "$now" ]; then
                if [ -n "$last" ] && [ "$now" -lt "$last" ]; then
                    printf 'fell from %s to %s: %s\n' "$last" "$now" "$answer" >"$told"
                    return
                fi
                first=${first:-$now} last=$now answers=$((answers + 1))
                echo "$answers $first $last" >"$told"
            fi
        fi
        sleep 0.1
    done
}

example() {
    local port told=out/quickstart.asked code=0 asker number
    generate
    port=$(free_port "${LAMINA_PORT:-8080}")
    lam_say "running $job on 4 ranks (about $((count / 250)) s); it answers at http://127.0.0.1:$port meanwhile, and is asked all the time"
    rm -f "$told" "$told.stop"
    ask_on "http://127.0.0.1:$port" "$told" &
    asker=$!
    "$lamina" launch -n 4 run "$job" --set "serve.listen=127.0.0.1:$port" || code=$?
    touch "$told.stop"
    wait "$asker"
    rm -f "$told.stop"
    [ "$code" -eq 0 ] || exit "$code" # it has said why; 75 means: run this again
    [ -s "$told" ] || lam_die "the server gave no answer while the job ran"
    ! grep -q '^fell' "$told" || lam_die "the sum of /revision $(cat "$told")"
    read -r answers first last <"$told"
    number=$("$lamina" query "$store" --aggregate "$question" --json | sum_in)
    [ "$number" = "$expected" ] || lam_die "the sum of /revision is ${number:-missing}; the events add up to $expected"
    echo "Asked $answers times while it ran: the sum of /revision went from $first to $last and never fell." \
        "It ended at $number, as the events say."
    echo "$expected" >"$done_mark"
}

view_of() { "$lamina" query "$store" --status --json | sed -n 's/^{"as_of":{[^}]*"view":\([0-9]*\).*/\1/p'; }

# The same once more: only what came after the last view is new, and is not analysed again. $1: what to say.
again() {
    local port number
    port=$(free_port "${LAMINA_PORT:-8080}")
    lam_say "running it again: $1"
    "$lamina" launch -n 4 run "$job" --set "serve.listen=127.0.0.1:$port"
    number=$("$lamina" query "$store" --aggregate "$question" --json | sum_in)
    [ "$number" = "$expected" ] || lam_die "the sum of /revision is now ${number:-missing} instead of $expected"
}

# Once everything is in a view, a run publishes nothing.
nothing_new() {
    local before
    before=$(view_of)
    again "nothing is new, and nothing is published"
    [ "$(view_of)" = "$before" ] || lam_die "view $(view_of) was published, with nothing new since view $before"
}

# --- 3. this machine's own documents ---

own_documents() {
    if [ -z "$(find /usr/share/doc -type f -print -quit 2>/dev/null)" ]; then
        lam_say "there are no documents in /usr/share/doc: skipped"
        return
    fi
    lam_say "running jobs/usr-share-doc.json: up to 1,000 files of /usr/share/doc"
    "$lamina" launch -n 2 batch jobs/usr-share-doc.json
}

next() {
    cat <<NEXT

What to try next:
  $lamina query $store --key T-1001
  $lamina query $store --filter category=outage --limit 5
  $lamina query $store --aggregate '{"metrics":[{"op":"count"}],"group_by":["category"]}'
  $lamina query out/usr-share-doc --filter language=en --limit 3
  $lamina run $job --keep-serving          then  curl http://127.0.0.1:8080/v1/status
  rm -r out/quickstart && bash jobs/quickstart.sh
  bash tests/run.sh
NEXT
}

build
if [ -d "$store/log" ] && [ -s "$done_mark" ] && [ "$(cat "$done_mark")" = "$(cat "$events.sum" 2>/dev/null)" ]; then
    generate
else
    example
    again "a last view takes in what came after the one before"
fi
nothing_new
own_documents
next
