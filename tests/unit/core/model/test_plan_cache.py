"""Plans are kept by bytes: many small ones or few large ones, and the largest not at all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
import torch

from hpcmbal.core.model.plan_cache import BUDGET_BYTES, LARGEST_BYTES, PlanCache
from hpcmbal.core.model.schedule import coding_plan

CPU = torch.device("cpu")


@dataclass
class Thing:
    size_bytes: int


@pytest.fixture
def cache() -> PlanCache[Thing]:
    return PlanCache(budget_bytes=100, largest_bytes=40)


def test_the_least_recently_used_leave_first(cache: PlanCache[Thing]) -> None:
    first, *_ = [cache.get(name, lambda: Thing(40)) for name in "ab"]
    assert cache.get("a", lambda: Thing(40)) is first
    cache.get("c", lambda: Thing(30))  # b leaves: a was used after it
    assert cache.get("a", lambda: Thing(40)) is first
    assert (len(cache), cache.size_bytes) == (2, 70)


def test_what_is_too_large_is_built_and_not_kept(cache: PlanCache[Thing]) -> None:
    assert cache.get("big", lambda: Thing(41)) is not cache.get("big", lambda: Thing(41))
    assert cache.size_bytes == 0


def test_threads_keep_within_the_budget(cache: PlanCache[Thing]) -> None:
    with ThreadPoolExecutor(8) as pool:
        things = list(pool.map(lambda i: cache.get(i % 20, lambda: Thing(10 + i % 20)), range(2000)))
    assert all(thing.size_bytes == 10 + i % 20 for i, thing in enumerate(things))
    assert 0 < cache.size_bytes <= 100


def test_a_plan_knows_the_bytes_of_its_indices() -> None:
    plan = coding_plan(16, 8, 12, released=False, device=CPU)
    latents = 16 * 8 * 12
    before = plan.size_bytes
    assert plan.coding_order.nbytes + plan.natural_order.nbytes == 2 * 8 * latents
    assert plan.size_bytes == before
    assert 30 * latents < before < 45 * latents


def test_plans_of_large_pictures_are_not_kept_and_small_ones_are() -> None:
    small = coding_plan(8, 16, 16, released=False, device=CPU)
    assert coding_plan(8, 16, 16, released=False, device=CPU) is small
    large = coding_plan(8, 340, 340, released=False, device=CPU)
    assert large.size_bytes > LARGEST_BYTES
    assert coding_plan(8, 340, 340, released=False, device=CPU) is not large
    assert LARGEST_BYTES < BUDGET_BYTES
