#!/bin/sh
# Times packed products and experts of published sizes, made up in memory, and prints three Markdown tables.
#
#   experiments/benchmarks/packed.sh
#
# Environment: ASSAY    the program to time              (.build/release/assay)
#              SHAPE    mixtral or olmoe                 (mixtral)
#              THREADS                                   (number of processors)
#              MODELS   folders to decode with, the first of them the baseline; none: no third table
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH= cd -- "$here/../.." && pwd)
ASSAY=${ASSAY:-$root/.build/release/assay}
SHAPE=${SHAPE:-mixtral}
THREADS=${THREADS:-$(nproc)}
export OMP_NUM_THREADS="$THREADS" OMP_WAIT_POLICY=passive

"$ASSAY" bench products --shape "$SHAPE" --bits 2 --bits 3 --bits 4 --bits 8 --threads "$THREADS" --format md
echo
"$ASSAY" bench experts --shape "$SHAPE" --format md
if [ -n "${MODELS:-}" ]; then
  echo
  # shellcheck disable=SC2086
  "$ASSAY" bench speed $MODELS --format md
fi
echo
uptime
