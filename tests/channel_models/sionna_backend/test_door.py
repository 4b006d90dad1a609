"""The door: nothing is imported before it is needed, nothing global stays changed, and its absence is told in a line."""

import subprocess
import sys

import numpy as np
import pytest

from channel_models.sionna_backend import door
from channel_models.sionna_backend.block_errors import SionnaBlockErrors
from channel_models.sionna_backend.clusters import SionnaClusters
from channel_models.sionna_backend.fading import SionnaClusteredDelayLine, SionnaTappedDelayLine

KINDS = [SionnaTappedDelayLine, SionnaClusteredDelayLine, SionnaClusters, SionnaBlockErrors]


def played(code):
    """Run a script in an interpreter of its own and return what it says."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_importing_the_backend_imports_neither_torch_nor_sionna():
    found = played(
        "import sys\n"
        "from channel_models.sionna_backend import block_errors, clusters, door, fading, store\n"
        "print([name for name in ('torch', 'sionna', 'h5py') if name in sys.modules])"
    )
    assert found == "[]"


@pytest.mark.parametrize("kind", KINDS)
def test_without_sionna_each_kind_says_what_to_install(kind, monkeypatch):
    monkeypatch.setattr(door, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'wflsim\[sionna\]'"):
        kind()
    with pytest.raises(ValueError, match="Sionna is not installed"):  # for a scenario's line
        kind()


def test_the_raytracer_alone_is_not_enough(monkeypatch, tmp_path):
    class Found:
        submodule_search_locations = (str(tmp_path),)  # a namespace that holds sionna.rt only

    monkeypatch.setattr(door, "find_spec", lambda name: Found)
    with pytest.raises(door.SionnaMissingError):
        door.require()
    (tmp_path / "phy").mkdir()
    door.require()


@pytest.mark.slow
def test_the_first_draw_leaves_the_generators_of_torch_as_they_were():
    pytest.importorskip("sionna", reason="the backend needs it")
    found = played(
        "import torch\n"
        "torch.manual_seed(7)\n"
        "before, threads = torch.get_rng_state(), torch.get_num_threads()\n"
        "from channel_models.sionna_backend import door\n"
        "door.tdl('A', door.Look(2), 3, 11)\n"
        "print(bool((before == torch.get_rng_state()).all()), threads == torch.get_num_threads())"
    )
    assert found == "True True"


def test_a_draw_leaves_every_generator_and_the_threads_as_they_were():
    pytest.importorskip("sionna", reason="the backend needs it")
    import torch
    from sionna.phy import config

    config.seed = 5
    torch.manual_seed(6)
    before = config.torch_rng("cpu").get_state(), torch.get_rng_state(), torch.get_num_threads()
    look = door.Look(2)
    door.tdl("A", look, 3, 11)
    door.cdl("A", look, np.zeros(3), 11)
    stand = door.Stand(10.0, 1.5, np.full(3, 50.0), np.zeros(3), np.ones(3, dtype=bool))
    door.clusters("umi", 19, look, stand, (11, 12))
    assert torch.equal(config.torch_rng("cpu").get_state(), before[0])
    assert torch.equal(torch.get_rng_state(), before[1])
    assert torch.get_num_threads() == before[2]
    assert config.seed == 5


def test_a_draw_that_fails_leaves_them_too(monkeypatch):
    pytest.importorskip("sionna", reason="the backend needs it")
    from sionna.phy import config

    before = config.torch_rng("cpu").get_state()
    with pytest.raises(ValueError, match="model must be one of"):
        door.tdl("F", door.Look(2), 3, 11)
    assert bool((config.torch_rng("cpu").get_state() == before).all())


def test_the_version_is_that_of_the_package():
    pytest.importorskip("sionna", reason="the backend needs it")
    from importlib.metadata import version

    assert door.version() == version("sionna-no-rt")


@pytest.mark.parametrize("seed", [0, 2**63 - 1])
def test_seeds_from_end_to_end_are_taken(seed):
    pytest.importorskip("sionna", reason="the backend needs it")
    assert door.tdl("A", door.Look(1), 1, seed).gain.shape == (1, 1, 23)
