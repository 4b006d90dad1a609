import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread():
    """Small operations are faster on one thread, above all beside others."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
