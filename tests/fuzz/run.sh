#!/usr/bin/env bash
# Fuzzes: each program of a build with LAMINA_FUZZ=ON for some seconds, from its corpus in the repository.
#
#   bash tests/fuzz/run.sh BUILD [SECONDS [NAME…]]
#
# What is found new goes to BUILD/fuzz/<name>; what breaks a program is left there as crash-…, timeout-… or oom-…, and belongs into
# corpus/<name> once it is mended.
set -euo pipefail
build=${1:?usage: run.sh BUILD [SECONDS [NAME...]]}
seconds=${2:-60}
shift; [ $# -eq 0 ] || shift
corpus=$(cd "$(dirname "$0")" && pwd)/corpus
programs=("$@")
[ ${#programs[@]} -gt 0 ] || mapfile -t programs < <(find "$build" -type f -name 'fuzz_*' -perm -u+x -printf '%f\n' | sed 's/^fuzz_//' | sort)
failed=()
# In memory, for some write a file for each try; and libFuzzer leaves without cleaning up.
TMPDIR=$(mktemp -d "$([ -w /dev/shm ] && echo /dev/shm || echo /tmp)/lamina-fuzz-XXXXXX")
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
for name in "${programs[@]}"; do
    program=$(find "$build" -type f -name "fuzz_$name" -perm -u+x | head -1)
    [ -n "$program" ] || { echo "no fuzz_$name below $build" >&2; exit 2; }
    mkdir -p "$build/fuzz/$name" "$corpus/$name"
    "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=8192 -print_final_stats=1 -artifact_prefix="$build/fuzz/$name/" \
        "$build/fuzz/$name" "$corpus/$name" >"$build/fuzz/$name.log" 2>&1 || failed+=("$name")
    printf '%-10s %s executions, %s inputs\n' "$name" "$(sed -n 's/^stat::number_of_executed_units: *//p' "$build/fuzz/$name.log")" \
        "$(find "$build/fuzz/$name" -type f | wc -l)"
done
if [ ${#failed[@]} -gt 0 ]; then
    printf 'broken: %s\n' "${failed[@]}" >&2
    exit 1
fi
