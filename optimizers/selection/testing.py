"""Checks that anyone can run on their own rule."""

import numpy as np

from optimizers.selection.candidates import Candidates, Selection, columns_of


def check_selection(selection: Selection) -> None:
    """Raise an AssertionError unless a rule keeps the contract.

    On a small collection it must return as many devices as wanted, or all, as rising indices without
    repetition; leave the candidates as they were; and give the same answer to the same stream.

    Args:
        selection: The rule with its configuration.
    """
    for name, candidates in _collection().items():
        for count in (0, 1, candidates.devices // 2, candidates.devices, candidates.devices + 3):
            before = {key: value.copy() for key, value in columns_of(candidates).items()}
            chosen = selection.select(candidates, count, np.random.default_rng(7))
            again = selection.select(candidates, count, np.random.default_rng(7))
            for key, value in columns_of(candidates).items():
                same = np.array_equal(before[key], value, equal_nan=True)
                assert same, f"{name}: the rule changes {key}"
            where = f"{name}, {count} wanted"
            wanted = min(count, candidates.devices)
            assert chosen.shape == (wanted,), f"{where}: returns shape {chosen.shape}"
            assert chosen.dtype.kind == "i", f"{where}: returns {chosen.dtype}, not indices"
            inside = np.all((chosen >= 0) & (chosen < candidates.devices))
            assert inside, f"{where}: returns devices that do not exist"
            assert np.all(np.diff(chosen) > 0), f"{where}: indices do not rise"
            assert np.array_equal(chosen, again), f"{where}: does not repeat itself"


def _collection() -> dict[str, Candidates]:
    rng = np.random.default_rng(5)
    gain = rng.exponential(1.0, 9) * 1e-10
    return {
        "nothing known": Candidates(gain=gain),
        "all known": Candidates(
            gain=gain,
            average_gain=rng.exponential(1.0, 9) * 1e-10,
            last_loss=rng.exponential(1.0, 9),
            age_rounds=rng.integers(0, 20, 9),
            data_weight=rng.uniform(0.5, 1.5, 9),
            round=4,
        ),
        "some known": Candidates(
            gain=gain,
            last_loss=[0.0, np.nan, 2.0, 1.0, np.nan, 0.0, 3.0, 1.0, 1.0],
            average_gain=[0.0, *gain[1:]],
            round=11,
        ),
        "all alike": Candidates(gain=np.full(4, 1e-9), last_loss=1.0, age_rounds=2.0, round=1),
        "one device": Candidates(gain=1e-9, round=3),
    }
