#!/bin/sh
# Calibrates and quantizes ONE decoder layer of Mixtral-8x7B's size (random bf16 weights, 3 GB) and prints a Markdown
# table of seconds and peak memory, and what 32 such layers would take.
#
#   experiments/benchmarks/mixtral-layer.sh
#
# 16 sequences of 512 tokens; full Hessians; GPTQ with 4-bit attention and a plan of 2, 3 and 4 bits for experts.
#
# Where quantization's processor time went (perf, 547 s, 2 threads): the f64 factors 63 %, nearly all in dgemm kernels
# that keep both threads equally busy; updating later columns (f32 products) 22 %; rounding within blocks 5 %; the rest,
# reading, packing, writing and the kernel, 10 %. Eight down projections of order 14,336 make up almost all of it.
#
# Environment: PYTHON  any Python from 3.10 on, standard library only     (python3)
#              ASSAY   the program to time                                (.build/release/assay)
#              SEQUENCES, CONTEXT, GROUP_SIZE, COMPUTE, THREADS           (16, 512, 128, auto, number of processors)
#              TEXT    tokenized with the reference model's tokenizer     (experiments/reference-model/calibration.mixed.txt)
#              WORK    folder for 10 GB of files, removed at the end      (a temporary folder)
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH= cd -- "$here/../.." && pwd)
reference=$root/experiments/reference-model
PYTHON=${PYTHON:-python3}
ASSAY=${ASSAY:-$root/.build/release/assay}
SEQUENCES=${SEQUENCES:-16}
CONTEXT=${CONTEXT:-512}
GROUP_SIZE=${GROUP_SIZE:-128}
COMPUTE=${COMPUTE:-auto}
THREADS=${THREADS:-$(nproc)}
TEXT=${TEXT:-$reference/calibration.mixed.txt}

work=$(mktemp -d "${WORK:-${TMPDIR:-/tmp}}/mixtral-layer.XXXXXX")
trap 'rm -rf "$work"' EXIT
export OMP_NUM_THREADS="$THREADS" OPENBLAS_NUM_THREADS="$THREADS" OMP_WAIT_POLICY=passive

measured() {
  result=$1
  shift
  "$PYTHON" "$here/mixtral_layer.py" run "$work/$result.json" "$ASSAY" "$@"
}

"$PYTHON" "$here/mixtral_layer.py" make "$work/model" "$reference/tokenizer.json"
measured calibrate calibrate "$work/model" --text "$TEXT" --sequences "$SEQUENCES" --context "$CONTEXT" \
  --compute "$COMPUTE" --out "$work/calibration"
measured quantize quantize "$work/model" --plan "$work/model/plan.json" --calibration "$work/calibration" \
  --attention-bits 4 --group-size "$GROUP_SIZE" --out "$work/quantized"

"$PYTHON" "$here/mixtral_layer.py" table "$work"
echo
echo "one layer, $SEQUENCES sequences of $CONTEXT tokens, compute $COMPUTE, groups of $GROUP_SIZE, $THREADS threads," \
  "start to end of each program"
