"""Mistakes that others have made: each, put into a copy of the library, fails the tests that guard against it."""

import subprocess
import sys
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

ROOT = Path(__file__).parents[1]
LARGE, SMALL, RATES = (
    f"tests/channel_models/{room}" for room in ("large_scale", "small_scale", "rates")
)

# What goes wrong: file, what stands there, what is put in its place, and who must notice.
MUTATIONS = {
    "a frequency coefficient is swapped": (
        "channel_models/tables/tr38901_large_scale.json",
        '"B": 35.3, "C": 21.3',
        '"B": 35.3, "C": 20.0',
        f"{LARGE}/test_path_loss.py",
    ),
    "out of sight may lose less than in sight, in cities": (
        "channel_models/large_scale/urban.py",
        "hidden_db = np.maximum(in_sight_db, hidden_db)",
        "pass",
        f"{LARGE}/test_urban.py",
    ),
    "out of sight may lose less than in sight, indoors": (
        "channel_models/large_scale/indoor.py",
        "hidden_db = np.maximum(in_sight_db, hidden_db)",
        "pass",
        f"{LARGE}/test_indoor.py",
    ),
    "dense clutter forgets the sparse formula": (
        "channel_models/large_scale/indoor.py",
        "hidden_db = np.maximum(hidden_db, other_db)",
        "pass",
        f"{LARGE}/test_indoor.py",
    ),
    "four buildings in five have walls of low loss": (
        "channel_models/calibration.py",
        "indoor_share=0.8, release=16",
        "indoor_share=0.8, high_loss_share=0.2, release=16",
        "tests/channel_models/test_calibration.py",
    ),
    "the depth inside is one uniform number": (
        "channel_models/large_scale/buildings.py",
        "rng.random((devices, 2)).min(axis=1, keepdims=True)",
        "rng.random((devices, 1))",
        f"{LARGE}/test_urban.py",
    ),
    "the phases of Jakes' waves lie in [0, 1)": (
        "channel_models/small_scale/doppler.py",
        "np.exp(2j * np.pi * phase)",
        "np.exp(1j * phase)",
        f"{SMALL}/test_doppler.py",
    ),
    "the speed of light is the exact one": (
        "channel_models/units.py",
        "SPEED_OF_LIGHT_38901 = 3.0e8",
        "SPEED_OF_LIGHT_38901 = 299_792_458.0",
        f"{LARGE}/test_urban.py",
    ),
    "zero forcing forgets the noise that it raises": (
        "channel_models/rates/receivers.py",
        "_powers(power_w, h) / (noise_w * inverse)",
        "_powers(power_w, h) / noise_w",
        f"{RATES}/test_receivers.py",
    ),
}


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """Return a copy of the library and its tests, away from the source."""
    place = tmp_path_factory.mktemp("mutated")
    for folder in ("channel_models", "tests/channel_models"):
        copytree(ROOT / folder, place / folder, ignore=ignore_patterns("__pycache__"))
    return place


def failed(place, guard):
    """Return whether the guarding tests fail, and what they said."""
    options = ["-p", "no:cacheprovider", "--import-mode=importlib", "-q", "-x", "--tb=line"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "-m", "not slow", guard],
        cwd=place,
        env={"PYTHONPATH": str(place), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stdout + done.stderr  # anything else is no verdict
    return done.returncode == 1, done.stdout


@pytest.mark.slow
def test_without_a_mutation_every_guard_is_content(copied):
    for guard in sorted({guard for *_, guard in MUTATIONS.values()}):
        found, said = failed(copied, guard)
        assert not found, said


@pytest.mark.slow
@pytest.mark.parametrize("mistake", MUTATIONS)
def test_a_mutation_is_caught(copied, mistake):
    name, right, wrong, guard = MUTATIONS[mistake]
    path = copied / name
    text = path.read_text("utf-8")
    assert text.count(right) == 1, f"{name} no longer says {right!r} once"
    path.write_text(text.replace(right, wrong), "utf-8")
    try:
        found, said = failed(copied, guard)
    finally:
        path.write_text(text, "utf-8")
    assert found, said
