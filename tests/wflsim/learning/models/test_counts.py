"""What the table of models says, what is published, and what a meter on real tensors counts, are the same."""

import re
from collections import Counter
from pathlib import Path

import pytest
import torch
from ruamel.yaml import YAML
from torch import nn

from wflsim.catalog import KINDS, component
from wflsim.learning.models import Conv4, FedAvgCnn, LeNet5, MiniVgg, ResNet, SensorCnn, SmallCnn
from wflsim.learning.modules import Added, LastStep, SelfAttention

PAGE = Path(__file__).parents[4] / "docs/models.md"


def numbers(text):
    return [int(number.replace(",", "")) for number in re.findall(r"[\d,]*\d", text)]


def rows():
    """Return (model, input shape, classes, parameters, operations) of every row of the table."""
    for line in re.findall(r"^\| `.*$", PAGE.read_text("utf-8"), re.MULTILINE):
        kind, fields, sample, _, parameters, macs, _ = [
            cell.strip() for cell in line.strip("|").split("|")
        ]
        given = YAML(typ="safe").load("{" + fields.strip("`") + "}")
        values = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}
        model = component("model", kind.strip("`"))(**values)
        *shape, classes = (int(number) for number in re.findall(r"\d+", sample))
        yield pytest.param(
            model,
            tuple(shape),
            classes,
            numbers(parameters)[0],
            numbers(macs)[0],
            id=f"{kind}{fields}".replace("`", ""),
        )


def trained(anatomy):
    return sum(tensor.size for tensor in anatomy.every() if tensor.role != "statistic")


def by_places(layer, values, output):
    return output[0].numel() * layer.weight[0].numel()


def by_steps(layer, values, output):
    return values.shape[1] * 4 * layer.hidden_size * (layer.input_size + layer.hidden_size)


def by_pairs_of_tokens(layer, values, output):
    tokens = values.shape[1]
    return 2 * layer.heads * tokens * tokens * (layer.seen // layer.heads)


METERS = {
    nn.Conv1d: by_places,
    nn.Conv2d: by_places,
    nn.Linear: by_places,
    LastStep: by_steps,
    SelfAttention: by_pairs_of_tokens,
}


def metered(module, samples):
    """Return multiply-accumulates by layer, from the shapes of tensors as they come along."""
    found = Counter()

    def listen(name, count):
        def hook(layer, inputs, output):
            found[name] += count(layer, inputs[0], output)

        return hook

    for name, layer in module.named_modules():
        if type(layer) in METERS:
            at = f"{name}.qkv" if type(layer) is SelfAttention else name
            layer.register_forward_hook(listen(at, METERS[type(layer)]))
    with torch.no_grad():
        module.eval()(samples)
    return found


@pytest.mark.parametrize(("model", "shape", "classes", "parameters", "macs"), list(rows()))
def test_the_table_says_what_is_counted_in_the_modules(model, shape, classes, parameters, macs):
    blueprint = model.blueprint(shape, classes)
    anatomy, module = blueprint.anatomy, blueprint.build()
    assert sum(each.numel() for each in module.parameters()) == trained(anatomy) == parameters
    assert anatomy.macs == macs
    found = metered(module, torch.zeros(1, *shape))
    assert {layer.name: layer.macs for layer in anatomy.layers if layer.macs} == found


def test_every_kind_stands_in_the_table():
    listed = set(re.findall(r"^\| `(\w+)`", PAGE.read_text("utf-8"), re.MULTILINE))
    assert listed == set(KINDS["model"]) - {"own"}


@pytest.mark.parametrize(
    ("model", "shape", "classes", "published"),
    [
        (LeNet5(), (1, 28, 28), 10, 61_706),  # the textbook's count
        (LeNet5(padding=0), (3, 32, 32), 10, 62_006),  # the first tutorial for CIFAR-10
        (FedAvgCnn(), (1, 28, 28), 10, 1_663_370),  # arXiv 1602.05629
        (SmallCnn(), (1, 28, 28), 10, 21_840),  # the first example for MNIST
        (ResNet(18), (3, 32, 32), 10, 11_173_962),  # widely used implementations for CIFAR-10
        (ResNet(34), (3, 32, 32), 10, 21_282_122),
        (ResNet(20), (3, 32, 32), 10, 272_474),
        (ResNet(56), (3, 32, 32), 10, 855_770),
    ],
)
def test_parameters_are_those_that_others_publish(model, shape, classes, published):
    assert trained(model.blueprint(shape, classes).anatomy) == published


def test_conv4_is_the_three_networks_of_that_name():
    few_shot = Conv4().blueprint((1, 28, 28), 5).anatomy
    assert trained(few_shot) - (64 + 1) * 5 == 111_936  # the embedding of arXiv 1703.05175
    wide = {"channels": (64, 64, 128, 128), "pools": 2}
    lottery = Conv4(**wide, hidden=(256, 256), norm="none").blueprint((3, 32, 32), 10).anatomy
    assert round(trained(lottery) / 1e6, 1) == 2.4  # arXiv 1803.03635
    spafl = Conv4(**wide, kernel=5, padding=0, hidden=(128, 128)).blueprint((3, 32, 32), 10)
    assert (spafl.anatomy.weights, spafl.anatomy.macs) == (804_800, 82_489_600)  # official code


def test_weights_by_layer_are_those_of_official_code():
    anatomy = SensorCnn().blueprint((9, 128), 6).anatomy
    assert [layer.weights for layer in anatomy.layers] == [2_880, 20_480, 65_536, 192]
    assert sum(layer.others for layer in anatomy.layers) == 166
    assert MiniVgg().blueprint((3, 32, 32), 10).anatomy.weights == 1_142_880
    resnet = ResNet(18).blueprint((3, 32, 32), 100).anatomy
    assert sum(layer.weights for layer in resnet.layers[:-1]) == 11_159_232


def test_shortcuts_without_parameters_would_make_resnet20_that_of_the_paper():
    anatomy = ResNet(20).blueprint((3, 32, 32), 10).anatomy
    shortcuts = [layer for layer in anatomy.layers if "shortcut" in layer.name]
    extra = sum(t.size for layer in shortcuts for t in layer.tensors if t.role != "statistic")
    assert (extra, trained(anatomy) - extra) == (2_752, 269_722)


def test_positions_are_as_many_as_patches():
    module = component("model", "vit")().blueprint((3, 32, 32), 10).build()
    (added,) = [each for each in module.modules() if isinstance(each, Added)]
    assert added.bias.shape == (64, 64)
