#!/bin/sh
# Times `assay bench tokenizer` against the tokenizers package on the same text, and prints a Markdown table.
#
#   experiments/benchmarks/tokenizer.sh TEXT TOKENIZER.json…
#
# Files may be compressed with gzip. Stops if the ids differ.
#
# Environment: PYTHON  python with tokenizers          (python3)
#              ASSAY   the program to time             (.build/release/assay)
#              REPEATS                                 (5)
set -eu

if [ $# -lt 2 ]; then
  sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
text=$1
shift
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH= cd -- "$here/../.." && pwd)
PYTHON=${PYTHON:-python3}
ASSAY=${ASSAY:-$root/.build/release/assay}
REPEATS=${REPEATS:-5}

results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
# The package would encode one text with one thread anyway.
export TOKENIZERS_PARALLELISM=false RAYON_NUM_THREADS=1

for tokenizer in "$@"; do
  name=$(basename "$tokenizer" | sed 's/\.gz$//; s/\.json$//; s/\.tokenizer$//')
  mkdir "$results/$name"
  # gzip passes what is not compressed through.
  gzip -dcf "$tokenizer" >"$results/$name/tokenizer.json"
  repeat=1
  while [ "$repeat" -le "$REPEATS" ]; do
    "$ASSAY" bench tokenizer "$results/$name/tokenizer.json" --text "$text" --format json \
      >"$results/$name/assay-$repeat.json"
    "$PYTHON" "$here/tokenizer_reference_run.py" time "$results/$name/tokenizer.json" "$text" \
      >"$results/$name/reference-$repeat.json"
    repeat=$((repeat + 1))
  done
done

"$PYTHON" "$here/tokenizer_reference_run.py" table "$results"
echo
echo "$(basename "$text"), one thread, reading files left out, medians of $REPEATS alternate runs; ids equal"
