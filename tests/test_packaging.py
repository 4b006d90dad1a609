"""What a stranger installs: the wheel, and a plug-in of another package beside it."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from shutil import copytree

import pytest

ROOT = Path(__file__).parents[1]
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]


def build(source, into):
    """Return the wheel of a source tree, built without touching the network or the tree."""
    copy = into / "source"
    copytree(
        source,
        copy,
        ignore=lambda _, names: {
            n for n in names if n.startswith(".") or n in {"runs", "build", "tests"}
        },
    )
    options = ["--no-deps", "--no-build-isolation", "--wheel-dir", str(into)]
    subprocess.run([*PIP, "wheel", *options, str(copy)], check=True, capture_output=True)
    (wheel,) = into.glob("*.whl")
    return wheel


def install(wheel, into):
    subprocess.run(
        [*PIP, "install", "--no-deps", "--target", str(into), str(wheel)],
        check=True,
        capture_output=True,
    )


def wflsim(path, cwd, *arguments):
    """Run the installed command line, with the given folder first on the path and nothing of the source tree."""
    code = f"import sys; sys.path[:0] = [{str(path)!r}]; from wflsim.cli.main import main; main()"
    return subprocess.run(
        [sys.executable, "-I", "-c", code, *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_the_wheel_has_everything_and_works_away_from_the_source(tmp_path):
    wheel = build(ROOT, tmp_path)
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "scenarios/quickstart.yaml",
        "scenarios/papers/liu2024_fmnist.yaml",
        "wflsim/figures/paper.mplstyle",
        "wflsim/reporting/web/report.html",
        "wflsim/reporting/web/page.css",
        "wflsim/reporting/web/main.js",
        "wflsim/py.typed",
        "channel_models/py.typed",
        "optimizers/py.typed",
    } <= names
    assert not any(name.startswith(("tests", "benchmarks")) for name in names)
    install(wheel, tmp_path / "site")
    done = wflsim(
        tmp_path / "site",
        tmp_path,
        "run",
        "quickstart",
        "--set",
        "rounds=2",
        "--format",
        "json",
        "--out",
        "out",
    )
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["variants"]) == 3
    assert (tmp_path / "out" / "overview.png").exists()


@pytest.mark.slow
def test_an_outside_package_adds_a_fading_an_allocator_an_algorithm_and_a_policy(tmp_path, tiny):
    assert "import wflsim" not in (ROOT / "tests" / "outside" / "outside.py").read_text()
    install(build(ROOT / "tests" / "outside", tmp_path), tmp_path / "site")
    scenario = tmp_path / "theirs.yaml"
    scenario.write_text(
        tiny.replace("radio:", "channel: {fading: {kind: weibull, shape: 4}}\nradio:")
        + "  theirs: {algorithm: {kind: head_only, steps: 3}, allocator: strongest_first, policy: {kind: quorum, share: 0.5}}\n"
    )
    done = wflsim(tmp_path / "site", tmp_path, "run", scenario, "--format", "json", "--out", "out")
    assert done.returncode == 0, done.stderr
    theirs = json.loads(done.stdout)["variants"]["theirs"]
    assert theirs["status"] == "succeeded"
    assert theirs["simulated_s"] > 0
    assert theirs["final"]["missed_deadlines"] > 0  # whom the quorum did not wait for
    listed = wflsim(tmp_path / "site", tmp_path, "list", "fading")
    assert "fading: weibull" in listed.stdout
    assert "Shape of the power; 1 is Rayleigh." in listed.stdout
    schema = json.loads(wflsim(tmp_path / "site", tmp_path, "schema").stdout)
    kinds = [
        kind["properties"]["kind"]["const"] for kind in schema["$defs"]["algorithm"]["anyOf"][1:]
    ]
    assert "head_only" in kinds
    wrong = wflsim(
        tmp_path / "site", tmp_path, "check", scenario, "--set", "channel.fading.shape=0.1"
    )
    assert wrong.returncode == 2
    assert "at least 0.5" in wrong.stderr
