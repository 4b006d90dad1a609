"""The catalogue: every kind can be built, configured and explained from its class alone."""

import inspect
from dataclasses import fields, is_dataclass
from importlib import import_module
from typing import Annotated, get_args, get_origin, get_type_hints

import pytest

import channel_models
from channel_models.catalog import KINDS
from channel_models.channel import Channel

CLASSES = [
    pytest.param(target, id=f"{family}-{kind}")
    for family, kinds in KINDS.items()
    for kind, target in kinds.items()
]


def resolve(target):
    module, name = target.split(":")
    return getattr(import_module(module), name)


def test_the_families_are_those_of_this_version():
    assert {family: set(kinds) for family, kinds in KINDS.items()} == {
        "layout": {"one_cell", "hexagonal", "hall"},
        "placement": {"ring", "hexagon", "hall", "explicit"},
        "mobility": {"static", "random_waypoint", "gauss_markov", "trace"},
        "path_loss": {"log_distance", "free_space", "close_in", "uma", "umi", "rma", "inh", "inf"},
        "shadowing": {"log_normal", "map", "track", "none"},
        "element": {"isotropic", "sector", "column"},
        "fading": {"rayleigh", "rician", "nakagami", "tdl", "none"}
        | {"sionna_tdl", "sionna_cdl", "sionna_cluster"},
        "correlation": {"none", "exponential", "local_scattering"},
        "doppler": {"block", "ar1", "jakes"},
        "interference": {"none", "full_buffer", "load", "coupled"},
        "estimation": {"perfect", "pilots"},
        "link": {"shannon", "gap", "mcs", "finite_blocklength", "outage"},
        "block_errors": {"curve", "sionna"},
    }


@pytest.mark.parametrize("target", CLASSES)
def test_a_component_is_a_frozen_dataclass_that_explains_each_field(target):
    component = resolve(target)
    assert is_dataclass(component)
    assert component.__dataclass_params__.frozen
    explained = inspect.getdoc(component)
    for field in fields(component):
        assert f"\n    {field.name}: " in explained.partition("Attributes:")[2]


@pytest.mark.parametrize("target", [*CLASSES, "channel_models.channel:Channel"])
def test_annotations_resolve_and_their_bounds_are_known(target):
    component = resolve(target)
    hints = get_type_hints(component, include_extras=True)
    assert set(hints) == {field.name for field in fields(component)}
    for hint in hints.values():
        for word, bound in get_args(hint)[1:] if get_origin(hint) is Annotated else ():
            assert word in {"above", "least", "below", "most", "order"}
            assert isinstance(bound, int | float | str)


@pytest.mark.parametrize("target", CLASSES)
def test_every_kind_is_a_public_name(target):
    assert "sionna" in target or target.split(":")[1] in channel_models.__all__


def test_public_names_exist_once():
    assert len(set(channel_models.__all__)) == len(channel_models.__all__)
    assert all(hasattr(channel_models, name) for name in channel_models.__all__)


def test_a_channel_needs_no_argument():
    assert Channel().antennas == 8
