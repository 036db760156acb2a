#!/bin/bash
# Builds the benchmarks in a folder of their own, runs all of them, and prints figures against targets.
#
#     bash benchmarks/run.sh [--quick] [--record]
#
#   --quick    a tenth of the sizes: to see that they run, not to quote
#   --record   writes benchmarks/results/<date>.md with machine, commit and all that was said
#
#   LAMINA_BENCH_BUILD   the build folder        (build/benchmarks)
#   LAMINA_BENCH_FOLDER  where data is written   (/tmp); 12 GB for the full size
#   LAMINA_BENCH_STATIC  "PATH TEXTS" for bench_static: a static table of embeddings that you have   (left out)
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
build=${LAMINA_BENCH_BUILD:-$root/build/benchmarks}
folder=${LAMINA_BENCH_FOLDER:-/tmp}
quick='' record=''
for word in "$@"; do
    case $word in
    --quick) quick=1 ;;
    --record) record=1 ;;
    *) sed -n '2,12s/^# \{0,1\}//p' "$0"; exit 2 ;;
    esac
done

mkdir -p "$build"
cmake -G Ninja -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=RelWithDebInfo -DLAMINA_BENCHMARKS=ON >"$build.log" 2>&1 || { cat "$build.log"; exit 1; }
ninja -C "$build" lamina bench_segment bench_lookup bench_log bench_steps bench_cache bench_static bench_llm >>"$build.log" 2>&1 || { tail -40 "$build.log"; exit 1; }

said=$(mktemp)
trap 'rm -f "$said"' EXIT

# One after the other; one that fails is told, and the rest goes on.
bench() {
    echo "--- $1"
    timeout 1800 "${@:2}" 2>&1 || echo "RESULT $1 FAILED with code $?"
    echo
}

{
    bench segment "$build/benchmarks/bench_segment" "$folder" 15 64
    bench segment_large "$build/benchmarks/bench_segment" "$folder" 7 256
    bench lookup "$build/benchmarks/bench_lookup" $((quick ? 100000 : 1000000)) $((quick ? 100000 : 1000000)) "$folder"
    bench log "$build/benchmarks/bench_log" $((quick ? 10000 : 100000)) 101 "$folder"
    bench steps "$build/benchmarks/bench_steps" $((quick ? 2000 : 20000)) "$folder"
    bench cache "$build/benchmarks/bench_cache" $((quick ? 20000 : 200000)) "$folder"
    # shellcheck disable=SC2086 # two words
    [ -z "${LAMINA_BENCH_STATIC:-}" ] || bench static "$build/benchmarks/bench_static" $LAMINA_BENCH_STATIC
    bench llm "$build/benchmarks/bench_llm" only all $((quick ? 4 : 20)) $((quick ? 100 : 400)) 64 256 1000
    bench batch python3 "$root/benchmarks/bench_batch.py" "$build/src/app/lamina" --folder "$folder" \
        --docs $((quick ? 8000 : 80000)) --many $((quick ? 100000 : 1000000))
} | tee "$said"

echo "=== figures and targets"
sed -n 's/^RESULT //p' "$said"

if [ -n "$record" ]; then
    file=$root/benchmarks/results/$(date -u +%Y-%m-%d).md
    {
        echo "# Benchmarks of $(date -u '+%Y-%m-%d %H:%M') UTC"
        echo
        echo "Commit $(git -C "$root" rev-parse --short HEAD); $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) cores;" \
            "$(cc --version | head -1), RelWithDebInfo; data in $folder ($(df --output=fstype "$folder" | tail -1));" \
            "load before the end $(cut -d' ' -f1-3 /proc/loadavg). Again: \`bash benchmarks/run.sh${quick:+ --quick}\`."
        echo
        echo '```'
        sed -n 's/^RESULT //p' "$said"
        echo '```'
        echo
        echo "All that they said:"
        echo
        echo '```'
        cat "$said"
        echo '```'
    } >"$file"
    echo "written to $file"
fi
