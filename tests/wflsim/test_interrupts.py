"""Ctrl-C while libraries are loaded that do not survive it."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from wflsim.interrupts import heeded, held_back


@pytest.fixture(autouse=True)
def usual():
    """Let Ctrl-C raise, as in a person's shell, whatever the one that tests were started from does."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_is_answered_when_the_block_is_over():
    done = []

    def interrupted():
        with held_back():
            os.kill(os.getpid(), signal.SIGINT)
            done.append("the rest of the block")

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert done
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


class Fading:
    """What is interrupted while it is destroyed."""

    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_ctrl_c_that_a_destructor_drops_is_answered_all_the_same():
    def interrupted():
        with heeded() as ask:
            ask()
            fading = Fading()
            del fading
            ask()
            pytest.fail("it was lost")

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_run_keeps_its_last_round_when_ctrl_c_was_dropped(tiny, tmp_path):
    from wflsim.records.folder import new_folder
    from wflsim.scenario.loading import parse
    from wflsim.simulation.run import Run
    from wflsim.simulation.setting import settle

    def watch(name, rounds, report):
        if report.round_ == 1:
            Fading()

    loaded = parse(tiny, "t", ["learning=none"])
    run = Run(loaded, settle(loaded.scenario.world), new_folder(str(tmp_path / "run"), ""))
    with pytest.raises(KeyboardInterrupt):
        run.play(watch)
    assert run.folder.told()["status"] == "interrupted"
    assert {name: one.rounds for name, one in run.variants.items()} == {"pruned": 2}


def test_nothing_is_answered_that_did_not_come():
    with held_back():
        pass
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_goes_wrong_in_the_block_is_raised():
    with pytest.raises(ZeroDivisionError), held_back():
        raise ZeroDivisionError


def test_where_ctrl_c_is_ignored_or_elsewhere_it_stays_so():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with held_back():
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    seen = []

    def elsewhere():
        with held_back():
            seen.append("worked")

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen


WHILE_LOADING = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "torch.version":  # the first of many modules of torch
            os.kill(os.getpid(), signal.SIGINT)
        return None

sys.meta_path.insert(0, Finder())
from click.testing import CliRunner
from wflsim.cli.main import main
done = CliRunner().invoke(main, ["run", sys.argv[1], "--out", sys.argv[2], "--quiet"])
print(done.exit_code, "torch.nn" in sys.modules, "interrupted" in done.output)
"""


def test_ctrl_c_while_torch_is_loaded_lets_the_run_say_that_it_was_interrupted(tiny_file, tmp_path):
    out = tmp_path / "out"
    done = subprocess.run(
        [sys.executable, "-c", WHILE_LOADING, str(tiny_file), str(out)],
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.stdout.split() == [b"1", b"True", b"True"], done.stderr.decode()
    assert b'"interrupted"' in (out / "manifest.json").read_bytes()
