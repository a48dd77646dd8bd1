"""Reference values by SciPy, NumPy and statsmodels for the statistics tests.

    python statistics_reference.py > statistics.json

The versions it was run with stand in the output.
"""

import json
import math

import numpy as np
import scipy
import scipy.stats as st
import statsmodels
import statsmodels.api as sm
from scipy.optimize import brentq
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import DescrStatsW

rng = np.random.default_rng(7)


def values(array):
    return [float(x) for x in np.asarray(array).ravel()]


# --- distributions: one row per name, parameters and argument -------------------------------------
def distributions():
    rows = []

    def add(name, parameters, argument, value):
        value = float(value)
        # Below, SciPy itself underflows.
        if math.isfinite(value) and (value == 0 or abs(value) > 1e-290):
            rows.append([name, parameters, float(argument), value])

    for x in [-30, -8, -3, -1.5, -0.1, 0, 0.3, 1, 1.96, 5, 9]:
        add("normal cumulative", [], x, st.norm.cdf(x))
    for p in [1e-200, 1e-20, 1e-6, 0.01, 0.025, 0.3, 0.5, 0.8, 0.975, 1 - 1e-9]:
        add("normal quantile", [], p, st.norm.ppf(p))
    for df in [0.5, 1, 2, 3, 4.7, 10, 29, 163, 14041, 1e6]:
        for t in [-40, -6, -2, -1e-3, 0, 0.01, 0.7, 1.96, 4, 12, 100]:
            add("student upper", [df], t, st.t.sf(t, df))
        for p in [1e-10, 1e-3, 0.025, 0.4, 0.6, 0.9, 0.975, 0.9999]:
            add("student quantile", [df], p, st.t.ppf(p, df))
    for df in [0.5, 1, 2, 3, 7.5, 30, 500, 1e5]:
        for q in [1e-8, 0.01, 0.3, 0.5, 0.9, 0.999, 1 - 1e-8]:
            x = float(st.chi2.ppf(q, df))
            add("chi-square cumulative", [df], x, st.chi2.cdf(x, df))
            add("chi-square upper", [df], x, st.chi2.sf(x, df))
            add("chi-square quantile", [df], q, x)
    for d1, d2 in [(1, 5), (2, 9), (4, 120), (30, 3), (7.5, 14000)]:
        for x in [1e-3, 0.5, 1, 2.7, 20]:
            add("fisher upper", [d1, d2], x, st.f.sf(x, d1, d2))
    for n, p in [(1, 0.5), (6, 0.5), (40, 0.03), (164, 0.329), (14042, 0.7), (1000000, 1e-5)]:
        for k in sorted({0, 1, int(n * p), int(n * p + 2 * math.sqrt(n * p)), n // 2, n - 1, n}):
            add("binomial mass", [n, p], k, st.binom.pmf(k, n, p))
            add("binomial cumulative", [n, p], k, st.binom.cdf(k, n, p))
            add("binomial upper", [n, p], k, st.binom.sf(k, n, p))
        for q in [0.001, 0.1, 0.62, 0.99]:
            add("binomial quantile", [n, p], q, st.binom.ppf(q, n, p))
    return rows


# --- paired binary outcomes ------------------------------------------------------------------------
def tango_score(gained, lost, n, delta):
    """Tango's statistic with the nuisance found by maximising the likelihood numerically.

    Cells: gained with probability q + delta, lost with q, the others 1 - 2q - delta.
    """
    # The nuisance is counted from its lower end, so that neither cell is a difference.
    low, width = max(0.0, -delta), (1 - abs(delta)) / 2
    ties = n - gained - lost

    def slope(t):
        return (gained / (t + max(0.0, delta)) if gained else 0) + (
            lost / (t + low) if lost else 0) - (ties / (width - t) if ties else 0)
    edge = width * 1e-14
    if slope(edge) <= 0:
        t = 0.0
    elif slope(width - edge) >= 0:
        t = width
    else:
        t = brentq(slope, edge, width - edge, xtol=1e-18, rtol=1e-15)
    q = t + low
    return (gained - lost - n * delta) / math.sqrt(n * (2 * q + delta * (1 - delta)))


def mcnemar():
    rows = []
    for gained, lost, n in [(6, 0, 20), (0, 5, 164), (12, 30, 1172), (7, 7, 500), (110, 160, 14042),
                            (1, 0, 44), (3, 40, 60)]:
        m = gained + lost
        k = min(gained, lost)
        exact = float(st.binomtest(k, m, 0.5).pvalue)
        mid = float(2 * st.binom.cdf(k, m, 0.5) - st.binom.pmf(k, m, 0.5))
        mid = 1.0 if gained == lost else mid
        z = float(st.norm.ppf(0.975))
        estimate = (gained - lost) / n
        ends = [brentq(lambda d: tango_score(gained, lost, n, d) - z, -1 + 1e-6, estimate,
                       xtol=1e-16, rtol=1e-14),
                brentq(lambda d: tango_score(gained, lost, n, d) + z, estimate, 1 - 1e-6,
                       xtol=1e-16, rtol=1e-14)]
        rows.append({"gained": gained, "lost": lost, "count": n, "exact": exact, "midP": mid,
                     "score": tango_score(gained, lost, n, 0.02), "interval": ends})
    return rows


def wilson():
    return [[k, n, level, *values(proportion_confint(k, n, 1 - level, "wilson"))]
            for k, n, level in [(0, 10, 0.95), (54, 164, 0.95), (9829, 14042, 0.99), (5, 5, 0.9)]]


def multiplicity():
    families = [[0.01, 0.04, 0.03, 0.005], [0.5], [0.02, 0.02, 0.9, 1, 0],
                values(rng.uniform(size=12) ** 3)]
    return [{"p": p, "holm": values(multipletests(p, method="holm")[1]),
             "benjaminiHochberg": values(st.false_discovery_control(p))} for p in families]


# --- means, pooled means, clusters -----------------------------------------------------------------
def clustered(y, x, labels):
    return sm.OLS(y, x).fit(cov_type="cluster", cov_kwds={"groups": labels, "use_correction": True})


def paired():
    n, groups = 60, 12
    labels = rng.integers(0, groups, size=n)
    labels = np.unique(labels, return_inverse=True)[1]
    count = int(labels.max()) + 1
    weights = rng.integers(50, 400, size=n).astype(float)
    cluster_effect = rng.normal(size=count)[labels] * 0.1
    baseline = weights * (2.1 + cluster_effect + 0.05 * rng.normal(size=n))
    candidate = baseline + weights * (0.03 + 0.3 * cluster_effect + 0.01 * rng.normal(size=n))
    difference = candidate - baseline
    fit = clustered(difference, np.ones(n), labels)
    df = count - 1
    t = float(fit.params[0] / fit.bse[0])
    plain = st.ttest_1samp(difference, 0)
    ci = plain.confidence_interval(0.9)
    # The linearized ratio estimator, cluster by cluster.
    pooled = difference.sum() / weights.sum()
    residual = np.array([(difference - pooled * weights)[labels == g].sum() for g in range(count)])
    pooled_error = math.sqrt(count / (count - 1) * (residual ** 2).sum()) / weights.sum()
    margin = 8.0
    described = DescrStatsW(difference)
    tost = described.ttost_mean(-margin, margin)
    result = {
        "labels": [int(x) for x in labels], "weights": values(weights),
        "baseline": values(baseline), "candidate": values(candidate),
        "mean": float(difference.mean()), "plainError": float(st.sem(difference)),
        "plainP": float(plain.pvalue), "plainInterval90": values([ci.low, ci.high]),
        "clusteredError": float(fit.bse[0]), "clusteredP": float(2 * st.t.sf(abs(t), df)),
        "pooled": float(pooled), "pooledError": pooled_error,
        "margin": margin, "equivalenceP": float(tost[0]),
        "equivalenceLowerP": float(tost[1][1]), "equivalenceUpperP": float(tost[2][1]),
    }
    result["bootstrap"] = bootstrap(candidate, baseline, weights, labels, count)
    return result


class SplitMix64:
    """The generator of SeededGenerator.swift, with Lemire's bounded integers."""
    mask = (1 << 64) - 1

    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & self.mask
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & self.mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & self.mask
        return z ^ (z >> 31)

    def below(self, bound):
        product = self.next() * bound
        threshold = (-bound & self.mask) % bound
        while (product & self.mask) < threshold:
            product = self.next() * bound
        return product >> 64


def bootstrap(candidate, baseline, weights, labels, count):
    """SciPy's own intervals, fed with the resamples of our generator."""
    import scipy.stats._resampling as resampling
    totals = np.array([[v[labels == g].sum() for g in range(count)]
                       for v in (candidate, baseline, weights)])
    statistics = {
        "difference": lambda c, b, w: c.sum(-1) / w.sum(-1) - b.sum(-1) / w.sum(-1),
        "ratio": lambda c, b, w: c.sum(-1) / b.sum(-1),
        "perplexityDifference":
            lambda c, b, w: np.exp(c.sum(-1) / w.sum(-1)) - np.exp(b.sum(-1) / w.sum(-1)),
        "perplexityRatio": lambda c, b, w: np.exp((c.sum(-1) - b.sum(-1)) / w.sum(-1)),
    }
    rows = {}
    genuine = resampling.rng_integers
    for name, statistic in statistics.items():
        generator = SplitMix64(31)

        def ours(_, low, high, size):
            flat = [low + generator.below(high - low) for _ in range(int(np.prod(size)))]
            return np.array(flat).reshape(size)
        resampling.rng_integers = ours
        row = {}
        for method in ("percentile", "bca"):
            generator.state = 31
            result = st.bootstrap(tuple(totals), lambda c, b, w, axis: statistic(c, b, w),
                                  paired=True, vectorized=True, n_resamples=999, method=method,
                                  confidence_level=0.95)
            row[method] = values(result.confidence_interval)
            row["standardError"] = float(result.standard_error)
        row["estimate"] = float(statistic(*totals))
        rows[name] = row
    resampling.rng_integers = genuine
    return rows


# --- power -----------------------------------------------------------------------------------------
def mcnemar_power(n, discordance, delta, alpha):
    """By enumeration of the number of discordant items and of the gains among them."""
    q = (discordance + delta) / (2 * discordance)
    power = 0.0
    for m in range(1, n + 1):
        weight = st.binom.pmf(m, n, discordance)
        if weight < 1e-16:
            continue
        k = np.arange(m + 1)
        p = np.minimum(1, 2 * st.binom.cdf(np.minimum(k, m - k), m, 0.5))
        power += weight * st.binom.pmf(k, m, q)[p <= alpha].sum()
    return float(power)


def power():
    rows = []
    for n, alpha, wanted in [(3, 0.05, 0.8), (5, 0.05, 0.9), (20, 0.01, 0.8), (150, 0.05, 0.8),
                             (10042, 0.05, 0.95)]:
        effect = float(TTestPower().solve_power(None, n, alpha, wanted))
        d = brentq(lambda d: st.nct.sf(st.t.isf(alpha / 2, n - 1), n - 1, d * math.sqrt(n))
                   + st.nct.cdf(-st.t.isf(alpha / 2, n - 1), n - 1, d * math.sqrt(n)) - wanted,
                   effect * 0.5, effect * 2, xtol=1e-15)
        rows.append([n, alpha, wanted, float(d)])
    exact = [[n, psi, delta, alpha, mcnemar_power(n, psi, delta, alpha)]
             for n, psi, delta, alpha in [(50, 0.3, 0.2, 0.05), (164, 0.1, 0.06, 0.05),
                                          (1172, 0.05, 0.018, 0.05), (500, 0.08, 0.03, 0.01)]]
    return {"mean": rows, "exactMcNemar": exact}


# --- variance components ---------------------------------------------------------------------------
def variance():
    from statsmodels.formula.api import ols
    import pandas
    cases = []
    for shape in [(4, 9), (3, 4, 6)]:
        y = 5 + rng.normal(size=shape) * 0.3
        for axis, scale in enumerate([0.5, 0.2, 1.1][:len(shape)]):
            y = y + scale * np.expand_dims(
                rng.normal(size=shape[axis]), [a for a in range(len(shape)) if a != axis])
        index = np.indices(shape).reshape(len(shape), -1)
        names = ["a", "b", "c"][:len(shape)]
        frame = pandas.DataFrame({"y": y.ravel(), **dict(zip(names, index))})
        # The highest interaction is the residual, since each cell holds one value.
        formula = ("y ~ " + " + ".join(f"C({x})" for x in names)
                   + (" + C(a):C(b) + C(a):C(c) + C(b):C(c)" if len(shape) == 3 else ""))
        table = sm.stats.anova_lm(ols(formula, frame).fit(), typ=1)
        squares = {row.replace("C(", "").replace(")", "").replace(":", ""): float(square)
                   for row, square in table["mean_sq"].items()}
        full = "".join(names)
        squares[full] = squares.pop("Residual")
        size = dict(zip(names, shape))
        if len(shape) == 2:
            variances = {"ab": squares["ab"], "a": (squares["a"] - squares["ab"]) / size["b"],
                         "b": (squares["b"] - squares["ab"]) / size["a"]}
        else:
            variances = {"abc": squares["abc"]}
            for pair, other in [("ab", "c"), ("ac", "b"), ("bc", "a")]:
                variances[pair] = (squares[pair] - squares["abc"]) / size[other]
            for one, (p, q), rest in [("a", ("ab", "ac"), "bc"), ("b", ("ab", "bc"), "ac"),
                                      ("c", ("ac", "bc"), "ab")]:
                variances[one] = ((squares[one] - squares[p] - squares[q] + squares["abc"])
                                  / (size[rest[0]] * size[rest[1]]))
        cases.append({"shape": list(shape), "values": values(y), "meanSquares": squares,
                      "variances": variances})
    return cases


# --- regression ------------------------------------------------------------------------------------
def regression():
    n = 48
    depth = np.arange(n) / n
    frequency = rng.gamma(2, 1, size=n)
    score = 0.7 * depth + rng.normal(size=n)
    y = 1 + 2 * depth - 0.3 * frequency + 0.1 * score + (0.2 + depth) * rng.normal(size=n)
    labels = np.arange(n) // 6
    x = sm.add_constant(np.column_stack([depth, frequency, score]))
    plain = sm.OLS(y, x).fit()
    robust = sm.OLS(y, x).fit(cov_type="HC3")
    grouped = clustered(y, x, labels)
    through_zero = sm.OLS(y, x[:, 1:]).fit()
    return {
        "response": values(y), "predictors": [values(depth), values(frequency), values(score)],
        "labels": [int(g) for g in labels], "coefficients": values(plain.params),
        "classical": values(plain.bse), "hc3": values(robust.bse), "cluster": values(grouped.bse),
        "p": values(plain.pvalues), "interval": values(plain.conf_int(0.05)),
        "rSquared": float(plain.rsquared), "adjusted": float(plain.rsquared_adj),
        "fP": float(plain.f_pvalue), "throughZeroRSquared": float(through_zero.rsquared),
        "leverage": values(plain.get_influence().hat_matrix_diag),
    }


# --- signed ranks ----------------------------------------------------------------------------------
def signed_ranks():
    def case(name, differences, method):
        differences = np.asarray(differences, dtype=float)
        result = st.wilcoxon(differences, zero_method="wilcox", correction=False, method=method)
        nonzero = differences[differences != 0]
        positive = float(st.rankdata(abs(nonzero))[nonzero > 0].sum())
        return {"name": name, "differences": values(differences), "positive": positive,
                "p": float(result.pvalue)}
    every_sign = st.PermutationMethod(n_resamples=np.inf)
    return [
        case("ten, no ties", rng.normal(0.5, 1, size=10), "exact"),
        case("forty, no ties", rng.normal(0.2, 1, size=40), "exact"),
        case("ties", [1, 1, -2, 3, 3, 3, -1, 4], every_sign),
        case("three hundred, ties and zeros", rng.integers(-9, 12, size=300), "asymptotic"),
    ]


sections = {
    "versions": {m.__name__: m.__version__ for m in (np, scipy, statsmodels)},
    "distributions": distributions(), "mcnemar": mcnemar(), "wilson": wilson(),
    "multiplicity": multiplicity(), "paired": paired(), "power": power(),
    "variance": variance(), "regression": regression(),
    "signedRanks": signed_ranks(),
}
body = ",\n".join(
    f"{json.dumps(name)}: " + ("[\n" + ",\n".join(json.dumps(row) for row in section) + "\n]"
                               if isinstance(section, list) else json.dumps(section))
    for name, section in sections.items())
print(f"{{\n{body}\n}}")
