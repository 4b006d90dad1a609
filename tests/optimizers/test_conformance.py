"""Every allocator in the catalogue keeps the contract, and the checks catch those who do not."""

import dataclasses
import importlib
import inspect
import subprocess
import sys
import typing

import numpy as np
import pytest

import optimizers
from optimizers import Certificate, solve_kkt
from optimizers.catalog import KINDS
from optimizers.testing import check_allocator

ALLOCATORS = KINDS["allocator"]


def _class(kind):
    module, _, name = ALLOCATORS[kind].partition(":")
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("kind", ALLOCATORS)
def test_catalogue_keeps_the_contract(kind):
    check_allocator(_class(kind)())


@pytest.mark.parametrize("kind", ALLOCATORS)
def test_a_component_is_its_configuration(kind):
    cls = _class(kind)
    assert dataclasses.is_dataclass(cls)
    assert cls.__dataclass_params__.frozen
    names = [field.name for field in dataclasses.fields(cls)]
    assert list(typing.get_type_hints(cls, include_extras=True)) == names
    for name in names:
        assert f"{name}: " in inspect.getdoc(cls).partition("Attributes:")[2]


class Greedy:
    """Gives everything to the first device."""

    def allocate(self, problem, rng):
        bands = np.full(problem.devices, 1e-3)
        bands[0] = problem.bandwidth_hz
        return problem.allocation(keep=problem.keep_min, bandwidth_hz=bands)


class Moody:
    """Does not use the random stream it is given."""

    def __init__(self):
        self.rng = np.random.default_rng(0)

    def allocate(self, problem, rng):
        share = self.rng.dirichlet(np.ones(problem.devices))
        return problem.allocation(
            keep=problem.keep_min, bandwidth_hz=share * problem.bandwidth_hz * self.rng.random()
        )


class Meddler:
    """Moves the deadline."""

    def allocate(self, problem, rng):
        object.__setattr__(problem, "deadline_s", problem.deadline_s * 2)
        return solve_kkt(problem)


class Boaster:
    """Rewrites its certificate."""

    def __init__(self, **lies):
        self.lies = lies

    def allocate(self, problem, rng):
        answer = problem.allocation(
            keep=problem.keep_max, bandwidth_hz=problem.bandwidth_hz / problem.devices
        )
        told = dataclasses.replace(answer.certificate, **self.lies)
        return dataclasses.replace(answer, certificate=told)


@pytest.mark.parametrize(
    ("allocator", "complaint"),
    [
        (Greedy(), "order of devices"),
        (Moody(), "does not repeat itself"),
        (Meddler(), "changes deadline_s"),
        (Boaster(status="optimal"), "says optimal, is infeasible"),
        (Boaster(reason=""), "without a reason"),
        (Boaster(objective=1.0), "says objective 1.0"),
        (Boaster(gap=0.0), "says gap 0.0"),
        (Boaster(violation=dict.fromkeys(("deadline", "bandwidth", "power", "keep"), 0.0)), "violation"),
        (Boaster(active=()), "active"),
    ],
)  # fmt: skip
def test_the_checks_catch(allocator, complaint):
    with pytest.raises(AssertionError, match=complaint):
        check_allocator(allocator)


def test_an_allocator_of_others_needs_no_import_of_ours():
    class Halves:
        def allocate(self, problem, rng):
            return problem.allocation(
                keep=np.clip(0.5, problem.keep_min, problem.keep_max),
                bandwidth_hz=problem.bandwidth_hz / problem.devices,
            )

    check_allocator(Halves())


def test_importing_loads_no_solver():
    code = (
        "import sys, optimizers, optimizers.catalog, optimizers.testing\n"
        "print([m for m in ('cvxpy', 'scipy.optimize', 'wflsim', 'channel_models')"
        " if m in sys.modules])"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout
    assert shown.strip() == "[]"


def test_public_names_exist():
    for name in optimizers.__all__:
        assert hasattr(optimizers, name)
    assert {field.name for field in dataclasses.fields(Certificate)} >= {"status", "gap", "price"}
