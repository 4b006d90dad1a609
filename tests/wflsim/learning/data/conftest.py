"""Small data sets in their publishers' formats, and a data root of a test's own."""

from dataclasses import replace
from pathlib import Path

import pytest

from wflsim.learning.data import files


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Return an empty data root."""
    monkeypatch.setenv(files.VARIABLE, str(tmp_path / "root"))
    return tmp_path / "root"


@pytest.fixture
def put(root):
    """Return a function that writes files under the data root."""

    def write(folder, contents):
        for name, content in contents.items():
            path = root / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return root / folder

    return write


@pytest.fixture
def unsigned(monkeypatch):
    """Return a function that takes checksums, sizes and addresses from a set, so that small files can stand for it."""

    def strip(module, name, **changes):
        published = getattr(module, name)
        editions = tuple(
            replace(edition, files=tuple(files.File(file.name) for file in edition.files))
            for edition in published.editions
        )
        small = replace(published, editions=editions, **changes)
        monkeypatch.setattr(module, name, small)
        return small

    return strip


@pytest.fixture
def real():
    """Return a function that loads a real data set, or skips where it is not at hand."""

    def load(component, published):
        if not files.os.environ.get(files.VARIABLE):
            pytest.skip(f"{files.VARIABLE} is not set, so there is no real data to read")
        if files.locate(published) is None:
            pytest.skip(f"{published.name} is not in {Path(files.root())}")
        return component.load()

    return load
