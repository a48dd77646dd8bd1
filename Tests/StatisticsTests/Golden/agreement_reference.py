"""Agreement of two lists of bits, by SciPy and scikit-learn, for AgreementTests.swift.

    python agreement_reference.py > agreement.json

The versions it was run with stand in the output.
"""

import json
import math

import numpy
import scipy
import sklearn
from scipy.stats import kendalltau, spearmanr
from sklearn.metrics import cohen_kappa_score, jaccard_score


def case(name, a, b):
    top = max(a + b)
    tau = kendalltau(a, b).statistic
    # SciPy warns of the constant side and gives NaN.
    rho = spearmanr(a, b).statistic
    return {
        "name": name, "a": a, "b": b,
        "agreement": sum(x == y for x, y in zip(a, b)) / len(a),
        "kappa": cohen_kappa_score([str(x) for x in a], [str(x) for x in b]),
        "spearman": None if math.isnan(rho) else float(rho),
        "kendall": None if math.isnan(tau) else float(tau),
        "jaccard": jaccard_score([x == top for x in a], [x == top for x in b]),
    }


random = numpy.random.default_rng(20)
levels = [2.0, 2.5, 3.0, 3.5, 4.0]
draw = lambda: [float(x) for x in random.choice(levels, size=60)]
base = draw()
near = [x if random.random() < 0.7 else float(random.choice(levels)) for x in base]
cases = [
    case("independent", draw(), draw()),
    case("mostly equal", base, near),
    case("opposite", base, [6.0 - x for x in base]),
    case("two levels", [1.0, 1.0, 3.0, 3.0, 1.0, 3.0], [1.0, 3.0, 3.0, 1.0, 1.0, 3.0]),
    case("one side constant", [2.0] * 6, [1.0, 2.0, 3.0, 2.0, 1.0, 2.0]),
    case("no ties", [float(x) for x in random.permutation(17)],
         [float(x) for x in random.permutation(17)]),
]
versions = {m.__name__: m.__version__ for m in (numpy, scipy, sklearn)}
lines = ",\n".join(json.dumps(c) for c in cases)
print(f'{{"versions": {json.dumps(versions)}, "cases": [\n{lines}\n]}}')
