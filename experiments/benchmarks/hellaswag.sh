#!/bin/sh
# Times `assay evaluate --task hellaswag` against lm-eval with transformers on the same rows, and prints a Markdown table.
#
#   experiments/benchmarks/hellaswag.sh MODEL ROWS
#
# ROWS is the folder of hellaswag.validation.jsonl.gz (make data). Stops if the accuracies differ.
#
# Environment: PYTHON  python with lm-eval, torch, transformers and datasets (python3)
#              ASSAY   the program to time                                   (.build/release/assay)
#              LIMIT, COMPUTE, REPEATS, BATCH, THREADS, EXPERTS              (400, f32, 3, 16, number of processors, eager)
set -eu

if [ $# -ne 2 ]; then
  sed -n '2,10s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
model=$1
rows=$2
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH= cd -- "$here/../.." && pwd)
PYTHON=${PYTHON:-python3}
ASSAY=${ASSAY:-$root/.build/release/assay}
LIMIT=${LIMIT:-400}
COMPUTE=${COMPUTE:-f32}
REPEATS=${REPEATS:-3}
BATCH=${BATCH:-16}
THREADS=${THREADS:-$(nproc)}
EXPERTS=${EXPERTS:-eager}

results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT

# Without these glibc gives freed blocks back at once, and torch pays for it in page faults. Both programs get them.
export MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=17179869184 MALLOC_TOP_PAD_=268435456
export OMP_NUM_THREADS="$THREADS" TOKENIZERS_PARALLELISM=false

# Alternately, so that a machine that slows down or speeds up meanwhile does so for both.
repeat=1
while [ "$repeat" -le "$REPEATS" ]; do
  echo "repeat $repeat of $REPEATS" >&2
  # The whole program is timed: starting, loading and tokenizing count for assay and not for lm-eval.
  "$PYTHON" "$here/hellaswag_reference_run.py" assay "$results/assay-$repeat.json" \
    "$ASSAY" evaluate "$model" --task hellaswag --tasks "$root/experiments/tasks" --rows "$rows" \
    --limit "$LIMIT" --compute "$COMPUTE" --format json
  "$PYTHON" "$here/hellaswag_reference_run.py" lm-eval "$results/lm-eval-$repeat.json" "$model" "$rows" \
    --limit "$LIMIT" --dtype "$COMPUTE" --batch "$BATCH" --threads "$THREADS" --experts "$EXPERTS"
  repeat=$((repeat + 1))
done

"$PYTHON" "$here/hellaswag_reference_run.py" table "$results"
echo
echo "first $LIMIT rows, $COMPUTE, $THREADS threads, medians of $REPEATS alternate runs; lm-eval: batch $BATCH," \
  "experts $EXPERTS; load $(cut -d' ' -f1 /proc/loadavg)"
