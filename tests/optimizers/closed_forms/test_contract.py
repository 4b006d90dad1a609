"""Every closed form and baseline keeps the contract of an allocator, whatever its configuration."""

import pytest

from optimizers.baselines import Alternating, FullPower, Proportional, RandomShare
from optimizers.closed_forms import FixedSnr, LambertW, Liu2024, PruneFl, Ren2022, TtPrune
from optimizers.testing import check_allocator


@pytest.mark.parametrize(
    "allocator",
    [
        Alternating(rounds=3),
        FullPower(),
        Proportional(),
        RandomShare(concentration=0.5),
        FixedSnr(),
        LambertW(),
        Liu2024(),
        PruneFl(),
        TtPrune(interval_s=0.2, staleness=1.0),
        TtPrune(interval_s=0.3, coupling="window"),
    ],
    ids=repr,
)
def test_the_contract_is_kept(allocator):
    check_allocator(allocator)


@pytest.mark.slow
def test_the_contract_is_kept_by_a_search_over_deadlines():
    check_allocator(Ren2022(seconds_weight=0.8))
