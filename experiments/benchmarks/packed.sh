#!/bin/sh
# Times packed products and experts of published sizes, made up in memory, and prints Markdown tables.
#
#   experiments/benchmarks/packed.sh
#
# Environment: ASSAY    the program to time              (.build/release/assay)
#              SHAPE    mixtral, olmoe or both           (mixtral)
#              THREADS                                   (number of processors)
#              PROMPT   tokens of a prompt of experts; 0: single tokens alone (128)
#              ACTIVATIONS  of experts: exact, int8 or both   (exact)
#              REPEATS  of experts                       (21)
#              MODELS   folders to decode with, the first of them the baseline; none: no last table
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH= cd -- "$here/../.." && pwd)
ASSAY=${ASSAY:-$root/.build/release/assay}
THREADS=${THREADS:-$(nproc)}
export OMP_NUM_THREADS="$THREADS" OMP_WAIT_POLICY=passive

for shape in ${SHAPE:-mixtral}; do
  "$ASSAY" bench products --shape "$shape" --bits 2 --bits 3 --bits 4 --bits 8 --threads "$THREADS" --format md
  for activations in ${ACTIVATIONS:-exact}; do
    echo
    "$ASSAY" bench experts --shape "$shape" --threads "$THREADS" --prompt "${PROMPT:-128}" \
      --activations "$activations" --repeats "${REPEATS:-21}" --format md
  done
  echo
done
if [ -n "${MODELS:-}" ]; then
  # shellcheck disable=SC2086
  "$ASSAY" bench speed $MODELS --format md
  echo
fi
uptime
