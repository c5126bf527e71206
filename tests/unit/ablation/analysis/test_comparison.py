"""What a study finds: truths that were planted, pairs that were lost, and refusals."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest

from hpcmbal.ablation.analysis.comparison import StudyComparison, compare_arms
from hpcmbal.ablation.analysis.effect import percent
from hpcmbal.ablation.run.records import RunRecord
from hpcmbal.errors import DataError

Study = Callable[..., list[RunRecord]]

STUDIES = 1000
FOUR_LAMBDAS = (0.0018, 0.0067, 0.013, 0.025)


def failed(record: RunRecord, reason: str = "not finite at step 7") -> RunRecord:
    return dataclasses.replace(record, status="failed", reason=reason, samples=())


def only(comparison: StudyComparison, arm: str) -> object:
    return next(item for item in comparison.comparisons if item.arm == arm)


class TestPlantedTruths:
    @pytest.mark.parametrize("seeds", [3, pytest.param(5, marks=pytest.mark.slow)])
    def test_intervals_cover_the_truth_and_equal_arms_are_rarely_told_apart(self, study: Study, seeds: int) -> None:
        rng = np.random.default_rng(seeds)
        effects = {"plain": 0.0, "equal": 0.0, "better": -0.05}
        covered, found = [], {"equal": [], "better": []}
        for _ in range(STUDIES):
            comparison = compare_arms(study(rng, effects, seeds=seeds), list(effects), "plain")
            for item in comparison.comparisons:
                effect = item.effects["j"]
                covered.append(effect.low <= percent(effects[item.arm]) <= effect.high)
                found[item.arm].append(item.verdict.finding)
        assert 0.93 <= np.mean(covered) <= 0.97
        noise = 3 * math.sqrt(0.05 * 0.95 / STUDIES)
        assert np.mean([finding != "not distinguishable" for finding in found["equal"]]) <= 0.05 + noise
        assert found["better"].count("worse") == 0
        assert found["better"].count("better") > (0.5 if seeds == 3 else 0.95) * STUDIES

    @pytest.mark.slow
    def test_of_many_equal_arms_rarely_even_one_is_told_apart(self, study: Study) -> None:
        """Without the correction about one study in seven would find something."""
        rng = np.random.default_rng(0)
        arms = ["plain", "a", "b", "c", "d"]
        raw, corrected = [], []
        for _ in range(500):
            found = compare_arms(
                study(rng, dict.fromkeys(arms, 0.0), seeds=3, lambdas=[0.01]), arms, "plain"
            ).comparisons
            raw.append(any(item.verdict.p_value < 0.05 for item in found))
            corrected.append(any(item.verdict.finding != "not distinguishable" for item in found))
        assert np.mean(corrected) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 500)
        assert np.mean(raw) > 0.10

    @pytest.mark.slow
    def test_bd_rate_covers_the_truth_too(self, study: Study) -> None:
        rng = np.random.default_rng(9)
        effects = {"plain": 0.0, "better": -0.02}
        covered = []
        for _ in range(150):
            records = study(rng, effects, seeds=4, lambdas=FOUR_LAMBDAS)
            bd = only(compare_arms(records, list(effects), "plain"), "better").bd.effect
            covered.append(bd.low <= percent(2 * effects["better"]) <= bd.high)
        assert np.mean(covered) == pytest.approx(0.95, abs=3 * math.sqrt(0.05 * 0.95 / 150))


class TestPairs:
    def test_what_a_seed_does_to_both_arms_cancels(self, study: Study, noise: type) -> None:
        """Seeds differ by tens of percent, and 1 % is still found."""
        shared_only = noise(shared=0.3, seed=0.0, run=1e-4)
        records = study(np.random.default_rng(1), {"plain": 0.0, "better": -0.01}, seeds=4, noise=shared_only)
        comparison = compare_arms(records, ["plain", "better"], "plain")
        effect = only(comparison, "better").effects["j"]
        assert effect.mean == pytest.approx(percent(-0.01), abs=0.02)
        assert effect.high - effect.low < 0.1
        spread = comparison.means[0].means["j"]
        assert spread.half_width() > 0.1 * spread.mean
        assert only(comparison, "better").verdict.finding == "better"

    def test_pairs_belong_together_by_seed_not_by_order(self, study: Study) -> None:
        records = study(np.random.default_rng(2), {"plain": 0.0, "other": 0.01}, seeds=4)
        shuffled = [records[index] for index in np.random.default_rng(3).permutation(len(records))]
        assert compare_arms(shuffled, ["plain", "other"], "plain") == compare_arms(records, ["plain", "other"], "plain")

    def test_changing_places_turns_the_sign(self, study: Study) -> None:
        """In logarithms exactly: 10 % more one way is 9.1 % less the other."""
        records = study(np.random.default_rng(4), {"a": 0.0, "b": 0.1}, seeds=3, lambdas=FOUR_LAMBDAS)
        there, back = compare_arms(records, ["a", "b"], "a"), compare_arms(records, ["a", "b"], "b")
        for one, other in (
            (only(there, "b").effects["j"], only(back, "a").effects["j"]),
            (only(there, "b").bd.effect, only(back, "a").bd.effect),
        ):
            assert one.estimate.mean == pytest.approx(-other.estimate.mean)
            assert one.estimate.interval() == pytest.approx([-end for end in reversed(other.estimate.interval())])

    def test_every_lambda_weighs_alike(self, study: Study, noise: type) -> None:
        """J at the larger lambda is many times that at the smaller; +10 % and -10 % must nearly cancel."""
        quiet = noise(0.0, 0.0, 0.0)
        small = study(np.random.default_rng(0), {"plain": 0.0, "x": 0.1}, seeds=2, lambdas=[0.001], noise=quiet)
        large = study(np.random.default_rng(0), {"plain": 0.0, "x": -0.1}, seeds=2, lambdas=[0.5], noise=quiet)
        effect = only(compare_arms(small + large, ["plain", "x"], "plain"), "x").effects["j"]
        assert effect.mean == pytest.approx(0.0, abs=1e-9)

    def test_a_failed_run_takes_its_partner_with_it_and_nothing_else(self, study: Study) -> None:
        records = study(np.random.default_rng(5), {"plain": 0.0, "a": 0.0, "b": 0.0}, seeds=3, lambdas=[0.01])
        index = next(i for i, record in enumerate(records) if record.arm == "a" and record.seed == 1)
        broken = [*records[:index], failed(records[index]), *records[index + 1 :]]
        comparison = compare_arms(broken, ["plain", "a", "b"], "plain")
        a, b = only(comparison, "a"), only(comparison, "b")
        assert (a.pairs, b.pairs) == (2, 3)
        assert [(run.arm, run.seed, run.reason) for run in comparison.failed] == [("a", 1, "not finite at step 7")]
        assert [seed for seed, _ in a.effects["j"].by_seed] == [0, 2]
        assert b.effects == only(compare_arms(records, ["plain", "a", "b"], "plain"), "b").effects
        assert "Of its 3 runs, 1 gave no result" in a.verdict.sentence

    def test_a_failed_reference_is_told_from_a_failed_arm(self, study: Study) -> None:
        records = study(np.random.default_rng(5), {"plain": 0.0, "a": 0.0}, seeds=3, lambdas=[0.01])
        comparison = compare_arms([failed(records[0]), *records[1:]], ["plain", "a"], "plain")
        (left_out,) = only(comparison, "a").left_out
        assert left_out.reason == "reference: not finite at step 7"
        assert "Of its 3 runs, 1 had no partner in the reference" in only(comparison, "a").verdict.sentence

    def test_runs_that_are_not_there_are_listed(self, study: Study) -> None:
        records = study(np.random.default_rng(5), {"plain": 0.0, "a": 0.0}, seeds=3, lambdas=[0.01])
        comparison = compare_arms(records[:-1], ["plain", "a"], "plain")
        assert [(run.arm, run.seed, run.reason) for run in comparison.failed] == [("a", 2, "no such run")]

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"steps": 99}, "99 steps against 100 of the reference"),
            ({"samples": ()}, "not evaluated: the record has no samples"),
        ],
    )
    def test_runs_that_do_not_compare_are_left_out(self, study: Study, change: dict[str, object], reason: str) -> None:
        records = study(np.random.default_rng(5), {"plain": 0.0, "a": 0.0}, seeds=3, lambdas=[0.01])
        records[-1] = dataclasses.replace(records[-1], **change)
        item = only(compare_arms(records, ["plain", "a"], "plain"), "a")
        assert [run.reason for run in item.left_out] == [reason]

    def test_an_arm_that_stops_early_compares_at_its_own_length(self, study: Study) -> None:
        records = study(np.random.default_rng(5), {"plain": 0.0, "a": 0.0}, seeds=3, lambdas=[0.01])
        records[-1] = dataclasses.replace(records[-1], steps=40, stops_early=True)
        assert only(compare_arms(records, ["plain", "a"], "plain"), "a").left_out == ()

    def test_other_images_do_not_compare(self, study: Study) -> None:
        records = study(np.random.default_rng(5), {"plain": 0.0, "a": 0.0}, seeds=3, lambdas=[0.01], images=4)
        records[-1] = dataclasses.replace(records[-1], samples=records[-1].samples[:3])
        (left_out,) = only(compare_arms(records, ["plain", "a"], "plain"), "a").left_out
        assert left_out.reason == "evaluated on other images than the reference (1 are not in both)"

    @pytest.mark.parametrize("value", [math.nan, math.inf, 0.0])
    def test_values_without_a_logarithm_are_left_out(self, study: Study, value: float) -> None:
        records = study(np.random.default_rng(5), {"plain": 0.0, "a": 0.0}, seeds=3, lambdas=[0.01])
        (sample,) = records[-1].samples
        records[-1] = dataclasses.replace(records[-1], samples=(dataclasses.replace(sample, j=value),))
        (left_out,) = only(compare_arms(records, ["plain", "a"], "plain"), "a").left_out
        assert left_out.reason == "not finite or not positive: j"


class TestBdRate:
    def test_four_lambdas_give_one_for_each_seed(self, study: Study, noise: type) -> None:
        quiet = noise(0.05, 0.0, 0.0)
        records = study(
            np.random.default_rng(6), {"plain": 0.0, "a": -0.05}, seeds=3, lambdas=FOUR_LAMBDAS, noise=quiet
        )
        item = only(compare_arms(records, ["plain", "a"], "plain"), "a")
        assert item.bd.effect.mean == pytest.approx(percent(-0.1), rel=0.02)
        assert [seed for seed, _ in item.bd.effect.by_seed] == [0, 1, 2]
        assert item.verdict.metric == "bd_rate"

    def test_three_lambdas_are_too_few(self, study: Study) -> None:
        records = study(np.random.default_rng(6), {"plain": 0.0, "a": -0.05}, seeds=3, lambdas=FOUR_LAMBDAS[:3])
        item = only(compare_arms(records, ["plain", "a"], "plain"), "a")
        assert (item.bd.effect, item.bd.unavailable) == (None, "3 lambdas, 4 are needed")
        assert item.verdict.metric == "j"

    def test_refused_seeds_are_counted_with_their_reason(self, study: Study) -> None:
        records = study(np.random.default_rng(7), {"plain": 0.0, "a": 0.0}, seeds=3, lambdas=FOUR_LAMBDAS)
        index = next(i for i, r in enumerate(records) if (r.arm, r.seed, r.lmbda) == ("a", 1, FOUR_LAMBDAS[2]))
        (sample,) = records[index].samples
        records[index] = dataclasses.replace(records[index], samples=(dataclasses.replace(sample, psnr_db=5.0),))
        item = only(compare_arms(records, ["plain", "a"], "plain"), "a")
        (refusal,) = item.bd.refused
        assert refusal.seed == 1
        assert "'arm' is not monotonic" in refusal.reason
        assert item.bd.effect.estimate.replicates == 2
        assert "BD-rate was refused for 1 seed." in item.verdict.sentence

    def test_when_half_the_seeds_are_refused_j_decides(self, study: Study) -> None:
        records = study(np.random.default_rng(7), {"plain": 0.0, "a": 0.0}, seeds=2, lambdas=FOUR_LAMBDAS)
        item = only(compare_arms([failed(records[0]), *records[1:]], ["plain", "a"], "plain"), "a")
        assert [refusal.reason for refusal in item.bd.refused] == [
            "results of both arms at 3 of 4 lambdas, 4 are needed"
        ]
        assert item.verdict.metric == "j"
        assert "refused for 1 seed, so J decides" in item.verdict.sentence


class TestRefusals:
    def test_the_reference_must_be_an_arm(self, study: Study) -> None:
        records = study(np.random.default_rng(8), {"plain": 0.0}, seeds=1)
        with pytest.raises(DataError, match=r"reference 'other'.*must be one of them"):
            compare_arms(records, ["plain"], "other")

    def test_an_arm_is_named_once(self, study: Study) -> None:
        records = study(np.random.default_rng(8), {"plain": 0.0}, seeds=1)
        with pytest.raises(DataError, match=r"every arm must be named once"):
            compare_arms(records, ["plain", "plain"], "plain")

    def test_no_run_counts_twice(self, study: Study) -> None:
        records = study(np.random.default_rng(8), {"plain": 0.0, "a": 0.0}, seeds=1, lambdas=[0.01])
        again = dataclasses.replace(records[1], folder="elsewhere")
        with pytest.raises(DataError, match=r"Two records of arm 'a' at lambda 0\.01, seed 0: .*'elsewhere'"):
            compare_arms([*records, again], ["plain", "a"], "plain")

    def test_something_must_be_there(self, study: Study) -> None:
        records = study(np.random.default_rng(8), {"plain": 0.0}, seeds=1)
        with pytest.raises(DataError, match=r"none of the 2 records belongs to a, b"):
            compare_arms(records, ["a", "b"], "a")
