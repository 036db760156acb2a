#!/usr/bin/env bash
# test_sbatch.sh SCRIPT: the Slurm script with stand-ins for lamina and scontrol: what it starts, what it returns,
# when it goes back into the queue.
set -euo pipefail
script=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

cat >"$dir/lamina" <<'STUB'
#!/bin/bash
echo "$*" >>"$DIR/started"
if [ "$CODE" = wait ]; then
    trap 'exit 75' USR1
    touch "$DIR/ready"
    while :; do sleep 0.05; done
fi
exit "$CODE"
STUB
cat >"$dir/scontrol" <<'STUB'
#!/bin/bash
echo "$*" >>"$DIR/requeued"
STUB
chmod +x "$dir/lamina" "$dir/scontrol"
export DIR=$dir LAMINA=$dir/lamina SLURM_NTASKS=5 SLURM_JOB_ID=77 PATH=$dir:$PATH
bad=0

expect() { # WHAT GOT WANTED
    [ "$2" = "$3" ] || { echo "$1: '$2', expected '$3'"; bad=1; }
}

start() { # CODE ARGUMENTS...
    rm -f "$dir/started" "$dir/requeued" "$dir/ready"
    rc=0
    CODE=$1 bash "$script" "${@:2}" || rc=$?
}

start 0 job.json --set name=x
expect "a job that is done" "$rc" 0
expect "what was started" "$(cat "$dir/started")" "launch -n 5 batch job.json --set name=x"
expect "a job that is done, requeued" "$(cat "$dir/requeued" 2>/dev/null)" ""

start 3 job.json
expect "a job with too much in quarantine" "$rc" 3

start 75 job.json
expect "a job to be resumed" "$rc" 0
expect "its requeue" "$(cat "$dir/requeued")" "requeue 77"

start 0 2>/dev/null
expect "no job file" "$rc" 2

rm -f "$dir/ready" "$dir/requeued"
CODE="wait" bash "$script" job.json &
pid=$!
for _ in $(seq 600); do [ -e "$dir/ready" ] && break; sleep 0.05; done
kill -USR1 "$pid" # as Slurm does before the time limit
rc=0
wait "$pid" || rc=$?
expect "a job that was asked to stop" "$rc" 0
expect "its requeue" "$(cat "$dir/requeued" 2>/dev/null)" "requeue 77"
exit $bad
