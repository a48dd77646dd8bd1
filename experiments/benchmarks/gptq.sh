#!/bin/sh
# Times `assay bench gptq` against a straightforward PyTorch GPTQ on the same matrix, and prints a Markdown table.
#
#   experiments/benchmarks/gptq.sh
#
# Environment: PYTHON  python with torch and safetensors         (python3)
#              ASSAY   the program to time                       (.build/release/assay)
#              SIZE, BITS, GROUP_SIZE, REPEATS, THREADS          (2048, 4, 128, 5, number of processors)
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH= cd -- "$here/../.." && pwd)
PYTHON=${PYTHON:-python3}
ASSAY=${ASSAY:-$root/.build/release/assay}
SIZE=${SIZE:-2048}
BITS=${BITS:-4}
GROUP_SIZE=${GROUP_SIZE:-128}
REPEATS=${REPEATS:-5}
THREADS=${THREADS:-$(nproc)}

results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
export OMP_NUM_THREADS="$THREADS" OPENBLAS_NUM_THREADS="$THREADS" OMP_WAIT_POLICY=passive

problem=$results/problem.safetensors
"$PYTHON" "$here/gptq_reference_run.py" make "$problem" "$SIZE"

# Alternately, so that a machine that slows down or speeds up meanwhile does so for both.
repeat=1
while [ "$repeat" -le "$REPEATS" ]; do
  echo "repeat $repeat of $REPEATS" >&2
  "$ASSAY" bench gptq "$problem" --bits "$BITS" --group-size "$GROUP_SIZE" --format json \
    >"$results/assay-$repeat.json"
  "$PYTHON" "$here/gptq_reference_run.py" time "$problem" "$BITS" "$GROUP_SIZE" "$THREADS" \
    >"$results/reference-$repeat.json"
  repeat=$((repeat + 1))
done

"$PYTHON" "$here/gptq_reference_run.py" table "$results"
echo
echo "$SIZE × $SIZE, $BITS bits, groups of $GROUP_SIZE, factorization included, $THREADS threads," \
  "medians of $REPEATS alternate runs"
