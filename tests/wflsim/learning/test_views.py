"""Training through a view: the identity is plain training, every other is the chain rule."""

import numpy as np
import pytest
import torch

from wflsim.learning.lessons import Descent
from wflsim.learning.testing import check_ways, cohort_of, small_task
from wflsim.learning.views import train_through

TASK, WHO = small_task(), np.array([0, 2, 3])
START = dict(TASK.initial)
RULES = [Descent(0.05), Descent(0.05, momentum=0.9), Descent(0.05, momentum=0.5, decay=0.01)]


def far(one, other):
    assert one.keys() == other.keys()
    return max(float((one[name] - each).abs().max()) for name, each in other.items())


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("how", ["loop", "batched", "native"])
def test_the_identity_is_plain_training(rule, how):
    """Over epochs of different lengths too: who has finished rests, with what it had gathered."""
    cohort = cohort_of(TASK, WHO, how=how)
    params, batches = cohort.stack(START), cohort.epochs(2, 16)
    plain = cohort.train(params, TASK.anatomy.tensors, batches, rule)
    viewed = train_through(cohort, params, lambda given, _: given, batches, rule)
    assert far(viewed, plain) < 2e-6


def test_what_is_twice_a_variable_moves_four_times_as_far():
    """With w = 2 v a step on v moves w by 2 · η · 2 g: steps on w with four times the rate."""
    cohort = cohort_of(TASK, WHO)
    params, batches = cohort.stack(START), cohort.phases((5,), 8)[0]
    halves = {name: each / 2 for name, each in params.items()}
    viewed = train_through(
        cohort, halves, lambda given, _: {n: 2 * each for n, each in given.items()}, batches, 0.01
    )
    plain = cohort.train(params, TASK.anatomy.tensors, batches, 0.04)
    assert far({name: 2 * each for name, each in viewed.items()}, plain) < 2e-6


def test_a_penalty_without_a_model_is_descent_on_the_penalty():
    cohort = cohort_of(TASK, WHO)
    variables = {"tau": torch.zeros(3, 4)}
    view = lambda given, _: cohort.stack(START)  # noqa: E731
    found = train_through(
        cohort,
        variables,
        view,
        cohort.phases((3,), 8)[0],
        0.1,
        penalty=lambda given: 2.0 * torch.exp(-given["tau"]).sum(1),
    )
    expected = 0.0
    for _ in range(3):
        expected += 0.1 * 2.0 * np.exp(-expected)
    assert np.allclose(found["tau"].numpy(), expected, rtol=1e-6)


def test_slopes_are_clipped_over_all_variables_of_a_device():
    cohort = cohort_of(TASK, WHO)
    params, batches = cohort.stack(START), cohort.phases((1,), 8)[0]
    small = train_through(cohort, params, lambda g, _: g, batches, 1.0, clip=1e-3)
    moved = sum((small[n] - params[n]).flatten(1).square().sum(1) for n in params).sqrt()
    assert np.allclose(moved.numpy(), 1e-3, rtol=1e-3)
    whole = train_through(cohort, params, lambda g, _: g, batches, 1.0, clip=1e3)
    free = train_through(cohort, params, lambda g, _: g, batches, 1.0)
    assert far(whole, free) == 0.0


def test_rates_by_name_and_projections():
    cohort = cohort_of(TASK, WHO)
    params, batches = cohort.stack(START), cohort.phases((2,), 8)[0]
    first, *_ = TASK.anatomy.tensors
    found = train_through(
        cohort,
        params,
        lambda g, _: g,
        batches,
        0.1,
        rates={first: 0.0},
        projected=lambda g, _: {
            n: each.clamp(-0.01, 0.01) if n != first else each for n, each in g.items()
        },
    )
    assert torch.equal(found[first], params[first])
    assert all(float(found[n].abs().max()) <= 0.01 for n in found if n != first)


def test_a_view_sees_its_step_and_its_samples():
    cohort, seen = cohort_of(TASK, WHO), []
    batches = cohort.phases((2, 3), 8)[1]

    def view(given, glance):
        seen.append((glance.step, glance.rows.tolist()))
        return given

    train_through(cohort, cohort.stack(START), view, batches, 0.1)
    assert [step for step, _ in seen] == [2, 3, 4]
    assert [rows for _, rows in seen] == batches.rows.tolist()


def test_every_way_takes_the_same_slopes():
    def lesson(cohort):
        variables = {
            n: each.to(cohort.task.inputs.dtype) for n, each in cohort.stack(START).items()
        }
        view = lambda given, _: {n: torch.tanh(each) for n, each in given.items()}  # noqa: E731
        return train_through(cohort, variables, view, cohort.epochs(1, 16), Descent(0.05, 0.9))

    check_ways(TASK, lesson)
