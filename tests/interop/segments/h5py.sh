#!/bin/bash
# h5py.sh PYTHON WRITER DOCUMENT: writes a segment, and reads it by the example in the document.
set -eu
python=$1 writer=$2 document=$3
if [ -z "$python" ] || ! "$python" -c 'import h5py, numpy' 2>/dev/null; then
    echo "skipped: no python3 with h5py (Debian: apt-get install python3-h5py)"
    exit 77
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"$writer" "$scratch" segment.h5 > "$scratch/entry.json"
"$python" "$(dirname "$0")/read_segment.py" "$scratch/segment.h5" "$scratch/entry.json" "$document"
