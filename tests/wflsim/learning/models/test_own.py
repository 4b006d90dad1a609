"""Networks of one's own: read where they are rows of standard layers, watched where they are not, refused with a remedy."""

import subprocess
import sys
from collections import Counter

import pytest
import torch
from torch import nn

from wflsim.errors import UserError
from wflsim.learning.blueprint import Blueprint
from wflsim.learning.models import Own
from wflsim.learning.probing import Opaque, probed, watched
from wflsim.learning.reading import UnreadableError, read
from wflsim.learning.testing import check_model

NETS = """
import torch
from torch import nn

def row(classes, width=4):
    return nn.Sequential(
        nn.Conv2d(1, width, 3, padding="same"), nn.BatchNorm2d(width), nn.ReLU(inplace=True),
        nn.Sequential(nn.MaxPool2d(2), nn.Identity(), nn.Conv2d(width, 2 * width, 3), nn.GroupNorm(2, 2 * width)),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.25), nn.Linear(2 * width, classes),
    )

class Net(nn.Module):
    def __init__(self, input_shape, classes):
        super().__init__()
        self.conv = nn.Conv2d(input_shape[0], 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.5)
        self.out = nn.Linear(4 * 6 * 6, classes)

    def forward(self, values):
        values = torch.relu(self.norm(self.conv(values)))
        return self.out(self.drop(values.flatten(1)))

def number(): return 3
def fixed(): return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
def seven(): return nn.Sequential(nn.Flatten(), nn.Linear(64, 7))
def narrow(): return nn.Sequential(nn.Flatten(), nn.Linear(63, 10))
def lazy(): return nn.Sequential(nn.Flatten(), nn.LazyLinear(10))
def double(): return fixed().double()
def nothing(): return nn.Flatten()
def broken(): raise RuntimeError("out of order")
def frozen():
    net = fixed()
    net[1].bias.requires_grad_(False)
    return net
def keeping():
    net = fixed()
    net.register_buffer("seen", torch.zeros(2))
    return net
class Chancy(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(64, 10)
    def forward(self, values):
        return nn.functional.dropout(self.out(values.flatten(1)), 0.5, self.training)
"""


@pytest.fixture(autouse=True)
def nets(tmp_path, monkeypatch):
    (tmp_path / "my_nets.py").write_text(NETS, encoding="utf-8")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("name", "arguments", "kind"),
    [("row", {}, Blueprint), ("row", {"width": 6}, Blueprint), ("Net", {}, Opaque)],
)
def test_a_network_of_ones_own_conforms(name, arguments, kind):
    own = Own(f"my_nets.py:{name}", arguments)
    check_model(own, (1, 8, 8), 10)
    assert isinstance(own.blueprint((1, 8, 8), 10), kind)


def test_a_row_is_read_under_its_own_names_and_can_be_thinned():
    blueprint = Own("my_nets.py:row").blueprint((1, 8, 8), 10)
    anatomy = blueprint.anatomy
    assert [layer.name for layer in anatomy.layers] == ["0", "1", "3.2", "3.3", "7"]
    assert anatomy.macs == 64 * 9 * 4 + 2 * 2 * 9 * 4 * 8 + 80
    assert (anatomy.spaces["0"].free, anatomy.spaces["3.2"].group) == (True, 4)
    thin = blueprint.narrowed({"0": 2, "3.2": 4})
    assert thin.source is None
    assert thin.build().eval()(torch.zeros(2, 1, 8, 8)).shape == (2, 10)


@pytest.mark.parametrize("name", ["row", "Net"])
def test_initial_weights_are_the_modules_own_and_follow_the_seed(name):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    blueprint = Own(f"my_nets.py:{name}").blueprint((1, 8, 8), 10)
    assert torch.equal(torch.get_rng_state(), before)
    states = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        states.append(blueprint.build().state_dict())
    first = next(iter(states[0]))
    assert torch.equal(states[0][first], states[1][first])
    assert not torch.equal(states[0][first], states[2][first])


def test_values_that_a_module_gives_itself_are_kept():
    def zeros():
        net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        nn.init.zeros_(net[1].weight)
        return net

    assert probed(zeros, (1, 2, 2), 2, "here").build().state_dict()["1.weight"].eq(0).all()


def test_an_opaque_module_is_watched():
    blueprint = Own("my_nets.py:Net").blueprint((1, 8, 8), 10)
    anatomy = blueprint.anatomy
    assert [(layer.name, layer.macs, layer.norm) for layer in anatomy.layers] == [
        ("conv", 36 * 9 * 4, False),
        ("norm", 0, True),
        ("out", 1440, False),
    ]
    assert anatomy.spaces == {}
    assert Counter(tensor.role for tensor in anatomy.every()) == {
        "weight": 2, "bias": 2, "scale": 1, "shift": 1, "statistic": 2,
    }  # fmt: skip


class Sequences(nn.Module):
    """Layers that a meter may overlook: recurrence, attention in two forms, a token of its own, a product by hand."""

    def __init__(self):
        super().__init__()
        self.token = nn.Parameter(torch.zeros(1, 1, 8))
        self.out = nn.Linear(6, 3)  # told first, called last
        self.lstm = nn.LSTM(5, 4, num_layers=2, batch_first=True, bidirectional=True)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.norm = nn.LayerNorm(8)
        self.gru = nn.GRU(8, 6, batch_first=True)

    def forward(self, values):
        steps = self.lstm(values.transpose(1, 2))[0]
        steps = torch.cat([self.token.expand(len(steps), -1, -1), steps], 1)
        mixed = self.attention(steps, steps, steps, need_weights=False)[0]
        scores = (mixed @ mixed.transpose(1, 2)).softmax(-1)
        return self.out(self.gru(self.norm(scores @ mixed))[0][:, -1])


def test_operations_of_recurrence_and_attention_are_exact():
    blueprint = probed(Sequences, (5, 7), 3, "here")
    assert [layer.name for layer in blueprint.anatomy.layers] == [
        "root", "lstm", "attention", "attention.out_proj", "norm", "gru", "out",
    ]  # fmt: skip
    macs = {layer.name: layer.macs for layer in blueprint.anatomy.layers}
    tokens = 8
    assert macs["lstm"] == 2 * (7 * 4 * 4 * (5 + 4) + 7 * 4 * 4 * (8 + 4))
    assert macs["attention"] == tokens * 4 * 8 * 8 + 2 * tokens * tokens * 8
    assert macs["root"] == 2 * tokens * tokens * 8  # what it multiplies by hand
    assert macs["gru"] == tokens * 3 * 6 * (8 + 6)
    assert (macs["out"], macs["norm"], macs["attention.out_proj"]) == (18, 0, 0)


def test_operations_outside_any_layer_count_to_the_one_before():
    class Squared(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Linear(4, 5), nn.Linear(5, 2)

        def forward(self, values):
            values = self.one(values)
            return self.two((values[:, :, None] @ values[:, None, :]).sum(1))

    anatomy = probed(Squared, (4,), 2, "here").anatomy
    assert [layer.macs for layer in anatomy.layers] == [20 + 25, 10]


def test_a_tensor_that_two_layers_share_is_there_once():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Linear(4, 4), nn.Linear(4, 4)
            self.two.weight = self.one.weight

        def forward(self, values):
            return self.two(self.one(values))

    anatomy = watched(Tied(), torch.zeros(2, 4))
    assert anatomy.tensors == ("one.weight", "one.bias", "two.bias")
    assert [layer.macs for layer in anatomy.layers] == [16, 16]


def test_dropout_of_an_opaque_module_draws_nothing_by_itself():
    module = Own("my_nets.py:Net").blueprint((1, 8, 8), 10).build().train()
    samples = torch.randn(3, 1, 8, 8)
    assert torch.equal(module(samples), module(samples))
    module.drop.draw = lambda share, shape: torch.zeros(1, 3, *shape)
    assert torch.equal(module(samples), module.out.bias.expand(3, 10))


@pytest.mark.parametrize(
    ("path", "arguments", "said"),
    [
        ("no_nets.py:Net", {}, "cannot import no_nets.py: FileNotFoundError"),
        ("no_such_package.nets:Net", {}, "cannot import no_such_package.nets: ModuleNotFoundError"),
        ("my_nets.py:Nat", {}, "nothing to call by the name Nat, but .*Net"),
        ("my_nets.py:row", {"depth": 3}, "my_nets.py:row cannot be called with depth"),
        ("my_nets.py:broken", {}, "fails for samples of shape .*RuntimeError: out of order"),
        ("my_nets.py:number", {}, "must make a PyTorch module, got int"),
        ("my_nets.py:nothing", {}, "nothing to train"),
        ("my_nets.py:seven", {}, r"shape \(2, 10\) for 2 samples, got \(2, 7\)"),
        ("my_nets.py:narrow", {}, r"does not take samples of shape \(B, 1, 8, 8\)"),
        ("my_nets.py:lazy", {}, "1.weight has no size yet"),
        ("my_nets.py:double", {}, "1.weight is torch.float64"),
        ("my_nets.py:frozen", {}, "1.bias is frozen"),
        ("my_nets.py:keeping", {}, "keeps seen"),
        ("my_nets.py:Chancy", {}, "draws at random by itself"),
    ],
)
def test_what_cannot_be_used_is_told_with_key_and_remedy(path, arguments, said):
    with pytest.raises(UserError, match=rf"^task\.model\.(path|arguments): .*{said}.*; \w+"):
        Own(path, arguments).blueprint((1, 8, 8), 10)


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(4, 0), nn.ReLU(), nn.Linear(0, 2)),
        lambda: nn.Sequential(nn.Conv2d(1, 0, 1), nn.Flatten(), nn.Linear(0, 2)),
    ],
)
def test_a_parameter_without_elements_is_refused(make):
    with pytest.raises(
        UserError, match=r"^task\.model: here: \d\.weight has no elements, shape \(0, .*; give"
    ):
        probed(make, (1, 2, 2), 2, "here")


UNREAD = {
    "groups": nn.Conv2d(4, 4, 3, groups=2),
    "dilation": nn.Conv2d(4, 4, 3, dilation=2),
    "oblong": nn.Conv2d(4, 4, (3, 1)),
    "reflected": nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"),
    "even": nn.Conv2d(4, 4, 2, padding="same"),
    "overlapping": nn.MaxPool2d(3, 2),
    "padded pool": nn.MaxPool2d(2, padding=1),
    "ceil": nn.AvgPool2d(2, ceil_mode=True),
    "own epsilon": nn.BatchNorm2d(4, eps=1e-3),
    "own momentum": nn.BatchNorm2d(4, momentum=None),
    "no statistics": nn.BatchNorm2d(4, track_running_stats=False),
    "no scale": nn.GroupNorm(2, 4, affine=False),
    "last dimension": nn.Linear(8, 8),
    "layer norm of places": nn.LayerNorm(8),
    "several places": nn.AdaptiveAvgPool2d(2),
    "mean without flattening": nn.AdaptiveAvgPool2d(1),
    "approximate": nn.GELU(approximate="tanh"),
    "another function": nn.Sigmoid(),
    "partial flattening": nn.Flatten(2),
    "dropped channels": nn.Dropout2d(0.5),
}


@pytest.mark.parametrize("layer", UNREAD.values(), ids=UNREAD.keys())
def test_what_is_not_standard_is_not_read(layer):
    with pytest.raises(UnreadableError):
        read(nn.Sequential(layer), (4, 8, 8))
    with pytest.raises(UnreadableError, match=r"^0\.0"):
        read(nn.Sequential(nn.Sequential(layer)), (4, 8, 8))


def test_layers_in_a_row_twice_are_two_unless_they_have_tensors():
    act, linear = nn.ReLU(), nn.Linear(4, 4)
    chain = read(nn.Sequential(nn.Linear(4, 4), act, nn.Linear(4, 4), act), (4,)).chain
    assert [name for name, _ in chain.named()] == ["0", "1", "2", "3"]
    with pytest.raises(UnreadableError, match="shared"):
        read(nn.Sequential(linear, act, linear), (4,))


def test_a_row_that_is_changed_by_a_hook_is_not_taken_for_one():
    def hooked():
        net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        net[1].register_forward_hook(lambda module, inputs, output: 2 * output)
        return net

    assert isinstance(probed(hooked, (1, 2, 2), 2, "here"), Opaque)


def test_describing_models_imports_no_torch():
    code = (
        "import sys; from wflsim.learning import models\n"
        "models.ResNet().blueprint((3, 32, 32), 10).anatomy; models.Own('a.py:b')\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
