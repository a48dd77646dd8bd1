#!/bin/sh
# Times `assay perplexity` against transformers on the same model and text, and prints a Markdown table.
#
#   experiments/benchmarks/perplexity.sh MODEL TEXT
#
# Environment: PYTHON  python with torch, transformers and tokenizers     (python3)
#              ASSAY   the program to time                                (.build/release/assay)
#              CONTEXT, COMPUTE, REPEATS, BATCH, THREADS, EXPERTS         (512, bf16, 3, 4, number of processors, eager)
set -eu

if [ $# -ne 2 ]; then
  sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
model=$1
text=$2
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH= cd -- "$here/../.." && pwd)
PYTHON=${PYTHON:-python3}
ASSAY=${ASSAY:-$root/.build/release/assay}
CONTEXT=${CONTEXT:-512}
COMPUTE=${COMPUTE:-bf16}
REPEATS=${REPEATS:-3}
BATCH=${BATCH:-4}
THREADS=${THREADS:-$(nproc)}
EXPERTS=${EXPERTS:-eager}

results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT

# Without these glibc gives freed blocks back at once, and torch pays for it in page faults. Both programs get them.
export MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=17179869184 MALLOC_TOP_PAD_=268435456
export OMP_NUM_THREADS="$THREADS"

run_assay() {
  "$ASSAY" perplexity "$model" --text "$text" --text-format wikitext --context "$CONTEXT" \
    --compute "$COMPUTE" --format json >"$1"
}

run_reference() {
  "$PYTHON" "$root/Tests/EvaluationTests/Golden/perplexity_reference.py" "$model" "$text" --format wikitext \
    --context "$CONTEXT" --dtype "$COMPUTE" --batch "$BATCH" --threads "$THREADS" --experts "$EXPERTS" >"$1"
}

# Alternately, so that a machine that slows down or speeds up meanwhile does so for both.
repeat=1
while [ "$repeat" -le "$REPEATS" ]; do
  echo "repeat $repeat of $REPEATS" >&2
  run_assay "$results/assay-$repeat.json"
  run_reference "$results/reference-$repeat.json"
  repeat=$((repeat + 1))
done

"$PYTHON" "$here/perplexity_table.py" "$results"
echo
echo "context $CONTEXT, $COMPUTE, $THREADS threads, medians of $REPEATS alternate runs;" \
  "reference: batch $BATCH, experts $EXPERTS"
