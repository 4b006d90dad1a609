"""What the tests of Sionna share: one thread, and draws that are kept in no folder of the user's."""

import pytest


@pytest.fixture(scope="module")
def one_thread():
    """Let torch use one thread: small tensors gain nothing from two, and lose much where both are busy."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def no_cache(monkeypatch):
    """Keep nothing, unless a test says where."""
    monkeypatch.setenv("WFLSIM_CACHE", "off")
