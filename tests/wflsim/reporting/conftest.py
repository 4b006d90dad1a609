"""Reports of the kept runs of the gallery."""

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from wflsim.reporting.page import Asked, rendered, report
from wflsim.results import load

RUNS = Path(__file__).parents[3] / "docs" / "gallery" / "runs"
EVIL = '</script><img src=x onerror="document.title=1">'
"""A name that would run a script where it is not escaped."""


@pytest.fixture(scope="session")
def seeds():
    return load(RUNS / "seeds")


@pytest.fixture(scope="session")
def told(seeds):
    return report(seeds, Asked(["runs"]))


@pytest.fixture(scope="session")
def page(told):
    return rendered(told)


@pytest.fixture(scope="session")
def changed(tmp_path_factory):
    """Return what copies a kept run with its manifest changed, and perhaps one of its variants called otherwise."""

    def copied(run, change, rename=()):
        folder = tmp_path_factory.mktemp("changed") / "run"
        shutil.copytree(RUNS / run, folder)
        path = folder / "manifest.json"
        manifest = json.loads(path.read_text())
        change(manifest)
        path.write_text(json.dumps(manifest))
        for name in ("rounds", "clients") if rename else ():
            found = pq.read_table(folder / f"{name}.parquet")
            place = found.schema.get_field_index("variant")
            column = found["variant"].cast(pa.string())
            column = pc.replace_substring(column, *rename)
            pq.write_table(found.set_column(place, "variant", column), folder / f"{name}.parquet")
        return folder

    return copied


@pytest.fixture(scope="session")
def evil(changed):
    """Return a run of which a variant, the scenario and what it is about have names that would run scripts."""

    def change(manifest):
        for variants in (manifest["variants"], manifest["resolved"]["variants"]):
            variants[EVIL] = variants.pop("fedavg")
        manifest["scenario"] = manifest["resolved"]["name"] = EVIL
        manifest["resolved"]["about"] = EVIL

    return changed("seeds/1", change, ("fedavg", EVIL))
