"""Do intervals over a few seeds hold the truth? Paired t, as `hpcmbal ablate` uses it, and what else one might use.

    python benchmarks/interval_coverage.py

Prints Markdown tables: coverage of nominal 95 % intervals for the mean of 3, 5 and 10 differences, by the shape of
their distribution. 20,000 studies each, 2,000 for the bootstrap: standard errors of at most 0.3 and 1.0 points.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from hpcmbal.ablation.analysis.statistics import mean_estimate

STUDIES, RESAMPLES = 20_000, 400
SEEDS = (3, 5, 10)

Values = NDArray[np.float64]

SHAPES: dict[str, Callable[[np.random.Generator, tuple[int, int]], Values]] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "heavy tails (t, 3 degrees)": lambda rng, shape: rng.standard_t(3, size=shape),
    "uniform": lambda rng, shape: rng.uniform(-1, 1, size=shape),
    "skewed (exponential)": lambda rng, shape: rng.exponential(size=shape) - 1,
}


def paired_t(differences: Values) -> float:
    """By the project's own code."""
    intervals = [mean_estimate(row.tolist()).interval() or (0.0, 0.0) for row in differences]
    return float(np.mean([low <= 0 <= high for low, high in intervals]))


def normal_theory(differences: Values) -> float:
    """Mean plus and minus 1.96 standard errors."""
    errors = differences.std(axis=1, ddof=1) / np.sqrt(differences.shape[1])
    return float(np.mean(np.abs(differences.mean(axis=1)) <= 1.96 * errors))


def percentile_bootstrap(differences: Values) -> float:
    """Between the 2.5th and 97.5th percentile of the means of resamples; a tenth of the studies."""
    rng = np.random.default_rng(0)
    rows = differences[: len(differences) // 10]
    chosen = rng.integers(rows.shape[1], size=(len(rows), RESAMPLES, rows.shape[1]))
    means = np.take_along_axis(rows[:, None, :], chosen, axis=2).mean(axis=2)
    low, high = np.quantile(means, [0.025, 0.975], axis=1)
    return float(np.mean((low <= 0) & (high >= 0)))


def unpaired_t(rng: np.random.Generator, seeds: int, shared: float) -> tuple[float, float]:
    """Coverage and mean width, in widths of the paired interval, if what seeds share is not taken out."""
    common = rng.normal(0, shared, size=(STUDIES, seeds))
    arm, reference = common + rng.normal(size=common.shape), common + rng.normal(size=common.shape)
    error = np.sqrt((arm.var(axis=1, ddof=1) + reference.var(axis=1, ddof=1)) / seeds)
    half = stdtrit(2 * seeds - 2, 0.975) * error
    paired = stdtrit(seeds - 1, 0.975) * (arm - reference).std(axis=1, ddof=1) / np.sqrt(seeds)
    return float(np.mean(np.abs((arm - reference).mean(axis=1)) <= half)), float(np.mean(half) / np.mean(paired))


def main() -> None:
    """Print both tables."""
    methods = {
        "paired t": paired_t,
        "1.96 standard errors": normal_theory,
        "percentile bootstrap": percentile_bootstrap,
    }
    print("| differences | seeds | " + " | ".join(methods) + " |\n|---|---:|" + "---:|" * len(methods))
    for name, draw in SHAPES.items():
        for seeds in SEEDS:
            differences = draw(np.random.default_rng(seeds), (STUDIES, seeds))
            cells = [f"{100 * method(differences):.1f} %" for method in methods.values()]
            print(f"| {name} | {seeds} | " + " | ".join(cells) + " |")
    print("\n| what seeds share, in units of its own noise | unpaired t, 5 seeds: coverage | width, of paired t |")
    print("|---|---:|---:|")
    for shared in (1.0, 3.0, 10.0):
        coverage, width = unpaired_t(np.random.default_rng(1), 5, shared)
        print(f"| {shared:g} | {100 * coverage:.1f} % | {width:.1f} times |")


if __name__ == "__main__":
    main()
