#!/bin/sh
# Times the allocators on made-up tables, beside PuLP with CBC and a search in NumPy on the same tables, and prints a
# Markdown table with the targets.
#
#   experiments/benchmarks/allocators.sh
#
# Stops if hawq-ilp, exact and PuLP do not agree on the least loss (1e-9 relative).
#
# Environment: PYTHON  python with numpy and pulp                (python3)
#              ASSAY   the program to time                       (.build/release/assay)
#              GENERATIONS, REPEATS                              (2000, 5)
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH= cd -- "$here/../.." && pwd)
PYTHON=${PYTHON:-python3}
ASSAY=${ASSAY:-$root/.build/release/assay}
GENERATIONS=${GENERATIONS:-2000}
REPEATS=${REPEATS:-5}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$PYTHON" "$here/reference_pulp.py" make "$work/experts.json" 256 1
"$PYTHON" "$here/reference_pulp.py" make "$work/units.json" 768 1
bench() {
  result=$1
  shift
  "$PYTHON" "$here/allocator_table.py" run "$work/$result.json" "$ASSAY" bench "$@" --format json
}

bench exact-256 allocate "$work/experts.json" --allocator exact --budget 2.5 --repeats "$REPEATS"
bench exact-768 allocate "$work/units.json" --allocator exact --budget 2.5 --repeats "$REPEATS"
bench ilp-768 allocate "$work/units.json" --allocator hawq-ilp --budget 2.5 --repeats "$REPEATS"
bench search-256 allocate "$work/experts.json" --allocator evolutionary --budget 2.5 --population 128 \
  --generations "$GENERATIONS" --repeats "$REPEATS"
bench neurons neurons --repeats "$REPEATS"
"$PYTHON" "$here/reference_pulp.py" solve "$work/units.json" 2.5 >"$work/pulp-768.json"
"$PYTHON" "$here/reference_search.py" "$work/experts.json" 2.5 "$GENERATIONS" 0 >"$work/numpy-256.json"

"$PYTHON" "$here/allocator_table.py" table "$work"
