#!/bin/sh
# Times `assay calibrate` with full Hessians against the pass through the model alone, in bf16 and f32, and prints a
# Markdown table.
#
#   experiments/benchmarks/calibration.sh MODEL TEXT
#
# The pass alone is `assay perplexity` on the same text, which adds the output head; calibration draws as many windows
# as perplexity scores. Both are timed from start to end of the program.
#
# Environment: PYTHON  any Python from 3.10 on, standard library only     (python3)
#              ASSAY   the program to time                                (.build/release/assay)
#              TEXT_FORMAT, CONTEXT, REPEATS, THREADS                     (text, 512, 3, number of processors)
set -eu

if [ $# -ne 2 ]; then
  sed -n '2,12s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
model=$1
text=$2
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH= cd -- "$here/../.." && pwd)
PYTHON=${PYTHON:-python3}
ASSAY=${ASSAY:-$root/.build/release/assay}
TEXT_FORMAT=${TEXT_FORMAT:-text}
CONTEXT=${CONTEXT:-512}
REPEATS=${REPEATS:-3}
THREADS=${THREADS:-$(nproc)}

results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
export OMP_NUM_THREADS="$THREADS" OPENBLAS_NUM_THREADS="$THREADS" OMP_WAIT_POLICY=passive

perplexity() {
  "$ASSAY" perplexity "$model" --text "$text" --text-format "$TEXT_FORMAT" --context "$CONTEXT" --format json "$@"
}

timed() {
  result=$1
  shift
  "$PYTHON" "$here/mixtral_layer.py" run "$results/$result.json" "$ASSAY" "$@"
}

windows=$(perplexity | sed -n 's/.*"windows" *: *\([0-9]*\).*/\1/p')

# Alternately, so that a machine that slows down or speeds up meanwhile does so for both.
repeat=1
while [ "$repeat" -le "$REPEATS" ]; do
  echo "repeat $repeat of $REPEATS" >&2
  for compute in bf16 f32; do
    timed "plain-$compute-$repeat" perplexity "$model" --text "$text" --text-format "$TEXT_FORMAT" \
      --context "$CONTEXT" --compute "$compute"
    timed "full-$compute-$repeat" calibrate "$model" --text "$text" --text-format "$TEXT_FORMAT" \
      --context "$CONTEXT" --compute "$compute" --sequences "$windows" --out "$results/calibration"
    rm -rf "$results/calibration"
  done
  repeat=$((repeat + 1))
done

"$PYTHON" "$here/mixtral_layer.py" ratios "$results"
echo
echo "$windows windows of $CONTEXT tokens, $THREADS threads, medians of $REPEATS alternate runs"
