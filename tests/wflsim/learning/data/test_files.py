"""The door to files: where they are looked for, how they are checked, and how they are fetched."""

import functools
import gzip
import hashlib
import http.server
import io
import json
import tarfile
import threading

import pytest
from click.testing import CliRunner

from wflsim.catalog import kinds
from wflsim.cli.main import main
from wflsim.errors import UserError
from wflsim.learning.data import files
from wflsim.learning.data.fetching import fetch, obtain
from wflsim.learning.data.files import Edition, File, Published, locate, state
from wflsim.learning.data.registry import SETS

CONTENT = b"words" * 1000


def signed(name, content, *addresses, algorithm="sha256"):
    digest = hashlib.new(algorithm, content).hexdigest()
    return File(name, f"{algorithm}:{digest}", len(content), addresses)


def published(*editions):
    return Published("toy", "toy-set", 1, 1, "none", "nobody", "https://example.org", editions)


class Server(http.server.SimpleHTTPRequestHandler):
    """A server whose `broken/` answers promise more than they hold, and whose `open/` answers have no length."""

    protocol_version = "HTTP/1.0"

    def do_GET(self):
        kind, _, name = self.path.strip("/").partition("/")
        content = (CONTENT if name == "a.bin" else self.server.archive) if name else b""
        self.server.asked.append(self.path)
        if kind == "gone":
            self.send_error(404)
            return
        self.send_response(200)
        if kind != "open":
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        cut = kind in {"broken", "open"}
        self.wfile.write(content[: len(content) // 2] if cut else content)

    def log_message(self, *_):
        pass


def tar_gz():
    kept = io.BytesIO()
    with tarfile.open(fileobj=kept, mode="w:gz") as archive:
        member = tarfile.TarInfo("inner/a.bin")
        member.size = len(CONTENT)
        archive.addfile(member, io.BytesIO(CONTENT))
    return kept.getvalue()


@pytest.fixture
def server():
    """Return a server on this machine, with its address."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Server)) as made:
        made.asked, made.archive = [], tar_gz()
        made.address = f"http://127.0.0.1:{made.server_port}"
        thread = threading.Thread(target=made.serve_forever, args=(0.01,))
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _without_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def listed(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_the_root_is_the_variables_or_the_users_cache(tmp_path, monkeypatch):
    monkeypatch.setenv(files.VARIABLE, "")
    assert files.root().name == "data"
    assert "wflsim" in files.root().parts
    files.set_root(tmp_path)
    assert files.root() == tmp_path
    monkeypatch.setenv(files.VARIABLE, "~/somewhere")
    assert files.root().is_absolute()
    assert "~" not in str(files.root())


def test_a_set_is_found_in_its_folder_and_in_the_publishers(root, put):
    toy = published(Edition((File("a.bin"), File("b.bin")), inside="inner"))
    assert locate(toy) is None
    put("toy-set", {"a.bin": b""})
    assert locate(toy) is None, "half of it is not it"
    put("toy-set/inner", {"a.bin": b"", "b.bin": b""})
    assert locate(toy).place == root / "toy-set" / "inner"
    put("toy-set", {"b.bin": b""})
    assert locate(toy).place == root / "toy-set"


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
@pytest.mark.parametrize(
    ("content", "why"),
    [
        (CONTENT[:-1], "has 4999 bytes and not 5000"),
        (CONTENT + b"!", "has 5001 bytes and not 5000"),
        (b"W" + CONTENT[1:], "is not the publisher's"),
    ],
)
def test_files_that_are_not_the_publishers_are_refused_with_the_remedy(
    root, put, content, why, algorithm
):
    toy = published(Edition((signed("a.bin", CONTENT, algorithm=algorithm),)))
    put("toy-set", {"a.bin": content})
    with pytest.raises(UserError, match=f"a.bin cannot be used.*{why}.*remove it.*fetch toy"):
        obtain(toy)
    assert state(toy).condition == "corrupt"
    put("toy-set", {"a.bin": CONTENT})
    assert obtain(toy).read("a.bin") == [CONTENT]
    assert state(toy).condition == "complete"


def test_a_checksum_is_taken_once(root, put, monkeypatch):
    toy = published(Edition((signed("a.bin", CONTENT),)))
    put("toy-set", {"a.bin": CONTENT})
    obtain(toy)
    monkeypatch.setattr(files.hashlib, "file_digest", None)
    obtain(toy)


def test_a_missing_set_says_which_files_to_put_where(root):
    toy = published(Edition((File("a.bin"), File("b.bin"))))
    with pytest.raises(UserError, match=r"'toy' is not under .*put a.bin, b.bin into .*toy-set, from https://example.org"):  # fmt: skip
        obtain(toy)
    assert state(toy).condition == "missing"


def test_a_missing_set_is_fetched_from_the_first_address_that_has_it(root, server):
    here = server.address
    toy = published(
        Edition((signed("a.bin", CONTENT, f"{here}/gone/a.bin", f"{here}/whole/a.bin"),))
    )
    assert obtain(toy).read("a.bin") == [CONTENT]
    assert server.asked == ["/gone/a.bin", "/whole/a.bin"]
    obtain(toy)
    fetch(toy)
    assert len(server.asked) == 2, "what is there is not fetched again"


@pytest.mark.parametrize("kind", ["broken", "open", "gone"])
def test_a_broken_transfer_leaves_nothing_behind(root, server, kind):
    toy = published(Edition((signed("a.bin", CONTENT, f"{server.address}/{kind}/a.bin"),)))
    with pytest.raises(UserError, match=f"cannot be fetched.*{kind}/a.bin"):
        fetch(toy)
    assert listed(root) == []


def test_another_file_than_the_publishers_is_not_kept(root, server):
    toy = published(Edition((signed("a.bin", CONTENT[::-1], f"{server.address}/whole/a.bin"),)))
    with pytest.raises(UserError, match="cannot be fetched"):
        fetch(toy)
    assert listed(root) == []


@pytest.mark.parametrize(("kind", "whole"), [("whole", True), ("open", False), ("broken", False)])
def test_an_archive_without_a_checksum_is_read_to_its_end(root, server, kind, whole):
    file = File("toy.tar.gz", addresses=(f"{server.address}/{kind}/toy.tar.gz",))
    toy = published(Edition((file,)))
    if whole:
        assert fetch(toy).read("a.bin") == [CONTENT]
        assert (state(toy).condition, state(toy).remark) == ("unchecked", files.UNCHECKED)
    else:
        with pytest.raises(UserError, match="cannot be fetched"):
            fetch(toy)
        assert listed(root) == []


@pytest.mark.parametrize("checked", [True, False])
def test_what_is_broken_is_fetched_again(root, server, put, checked):
    address, archive = f"{server.address}/whole/toy.tar.gz", server.archive
    file = signed("toy.tar.gz", archive, address) if checked else File("toy.tar.gz", addresses=(address,))  # fmt: skip
    toy = published(Edition((file,)))
    put("toy-set", {"toy.tar.gz": archive[:-30]})
    assert state(toy).condition == "corrupt"
    assert fetch(toy).read("a.bin") == [CONTENT]


def test_gzip_is_undone(root, put):
    toy = published(Edition((File("a.gz"),)))
    put("toy-set", {"a.gz": gzip.compress(CONTENT)})
    assert obtain(toy).read("a.gz") == [CONTENT]


def test_every_set_of_files_is_a_kind_and_says_what_it_is():
    assert set(SETS) <= set(kinds("data"))
    for name, found in SETS.items():
        assert found.name == name
        assert found.samples
        assert found.licence
        assert found.citation
        fetched = [e for e in found.editions if all(file.addresses for file in e.files)]
        assert fetched, "some form can be fetched"
        for edition in fetched:
            assert name.startswith("wisdm") or all(file.digest for file in edition.files)
        for file in (file for edition in found.editions for file in edition.files):
            algorithm, _, digest = file.digest.partition(":")
            assert len(digest) == {"": 0, "md5": 32, "sha256": 64}[algorithm]


def test_the_command_lists_and_fetches(root, put, server, monkeypatch):
    toy = published(Edition((signed("a.bin", CONTENT, f"{server.address}/whole/a.bin"),)))
    monkeypatch.setattr("wflsim.learning.data.registry.SETS", {"toy": toy})
    runner = CliRunner()

    def listed_state(*options):
        done = runner.invoke(main, ["data", *options, "--format", "json"])
        assert done.exit_code == 0, done.output
        (row,) = json.loads(done.stdout)
        return row["name"], row["state"], row["place"], row["bytes"]

    assert listed_state() == ("toy", "missing", str(root / "toy-set"), 0)
    done = runner.invoke(main, ["data", "fetch", "toy"])
    assert done.exit_code == 0, done.output
    assert listed_state() == ("toy", "complete", str(root / "toy-set"), 5000)
    put("toy-set", {"a.bin": b"?"})
    assert listed_state()[1] == "corrupt"
    text = runner.invoke(main, ["data"]).stdout
    assert "toy: corrupt" in text
    assert "has 1 bytes and not 5000" in text
    assert "nobody; licence: none" in text
    done = runner.invoke(main, ["data", "fetch", "tyo"])
    assert done.exit_code == 2
    assert "did you mean 'toy'?" in done.stderr


def test_files_without_a_published_checksum_are_never_called_complete(root, put, monkeypatch):
    toy = published(Edition((signed("a.bin", CONTENT), File("b.bin"))))
    put("toy-set", {"a.bin": CONTENT, "b.bin": b"anything"})
    assert (state(toy).condition, state(toy).remark) == ("unchecked", files.UNCHECKED)
    monkeypatch.setattr("wflsim.learning.data.registry.SETS", {"toy": toy})
    runner = CliRunner()
    assert "toy: unchecked" in runner.invoke(main, ["data"]).stdout
    said = runner.invoke(main, ["data", "fetch", "toy"]).stdout
    assert said.startswith("toy is in ")
    assert "unchecked" in said


def test_the_raw_signal_is_counted_in_records(root):
    text = CliRunner().invoke(main, ["data"]).stdout
    assert "1,098,207 records, 6 classes" in text
    assert "5,418 samples, 6 classes" in text


def test_fetching_takes_the_root_too(tmp_path, root, server, monkeypatch):
    toy = published(Edition((signed("a.bin", CONTENT, f"{server.address}/whole/a.bin"),)))
    monkeypatch.setattr("wflsim.learning.data.registry.SETS", {"toy": toy})
    done = CliRunner().invoke(main, ["data", "fetch", "toy", "--data", str(tmp_path / "other")])
    assert done.exit_code == 0, done.output
    assert listed(tmp_path) == ["other/toy-set/a.bin"]


@pytest.mark.parametrize("name", ["base.yaml", "base.yaml/below", "n" * 300])
def test_a_root_that_cannot_be_written_is_refused_before_anything_is_asked(
    tmp_path, monkeypatch, server, name
):
    (tmp_path / "base.yaml").write_text("seed: 1")
    monkeypatch.setenv(files.VARIABLE, str(tmp_path / name))
    toy = published(Edition((signed("a.bin", CONTENT, f"{server.address}/whole/a.bin"),)))
    said = rf"^--data .*{name}: is not a folder that can be written; name another$"
    for get in (obtain, fetch):
        with pytest.raises(UserError, match=said):
            get(toy)
    assert server.asked == []
    assert state(toy).condition == "missing"


def test_the_option_chooses_the_root(tmp_path, root):
    done = CliRunner().invoke(main, ["data", "--data", str(tmp_path), "--format", "json"])
    assert {row["state"] for row in json.loads(done.stdout)} == {"missing"}
    assert str(tmp_path / "mnist") in done.stdout
