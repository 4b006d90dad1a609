from dataclasses import dataclass
from importlib.metadata import EntryPoint

import pytest

from wflsim import catalog
from wflsim.catalog import (
    FAMILY_OF,
    KINDS,
    PluginError,
    component,
    fields_of,
    kind_of,
    kinds,
    summary,
)
from wflsim.scenario.schema import Fleet, Radio, System, TaskSection, World

OURS = [(family, kind) for family, table in KINDS.items() for kind in table]


def test_every_family_has_a_protocol():
    assert set(KINDS) == set(FAMILY_OF.values())


@pytest.mark.parametrize(("family", "kind"), OURS)
def test_every_kind_says_what_it_is_and_what_its_fields_mean(family, kind):
    cls = component(family, kind)
    assert cls.__dataclass_params__.frozen
    assert summary(cls).endswith(".")
    assert [found.name for found in fields_of(cls) if not found.meaning] == []


@pytest.mark.parametrize("section", [World, System, Fleet, Radio, TaskSection])
def test_every_section_explains_its_fields(section):
    assert [found.name for found in fields_of(section) if not found.meaning] == []


@pytest.mark.parametrize(
    ("family", "kind"), [("fading", "rayleigh"), ("deadline", "none"), ("engine", "loop")]
)
def test_a_component_knows_its_kind(family, kind):
    assert kind_of(family, component(family, kind)()) == kind


@dataclass(frozen=True)
class Mine:
    """A fading of somebody else's."""


@pytest.fixture
def plugin(monkeypatch):
    def install(name, value):
        monkeypatch.setattr(
            catalog, "_plugins", lambda: (EntryPoint(name, value, "wflsim.fading"),)
        )
        kinds.cache_clear()
        component.cache_clear()

    yield install
    kinds.cache_clear()
    component.cache_clear()


def test_a_plugin_adds_a_name(plugin):
    plugin("mine", "mine:Mine")
    assert kinds("fading")["mine"] == "mine:Mine"
    assert set(KINDS["fading"]) < set(kinds("fading"))


def test_a_plugin_never_replaces_a_name(plugin):
    plugin("rayleigh", "mine:Mine")
    with pytest.raises(PluginError, match=r"taken by channel_models\.small_scale\.fading:Rayleigh"):
        kinds("fading")


def test_a_broken_plugin_is_named_with_its_remedy(plugin):
    plugin("mine", "no_such_module:Mine")
    with pytest.raises(
        PluginError, match=r"fading 'mine' \(no_such_module:Mine\) cannot be loaded.*reinstall"
    ):
        component("fading", "mine")


def test_a_plugin_must_be_a_dataclass(plugin):
    plugin("mine", "collections:OrderedDict")
    with pytest.raises(PluginError, match="not a dataclass"):
        component("fading", "mine")
