"""Laws of masks, messages, fusion, partitions and operation counts."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wflsim.catalog import component, kinds
from wflsim.contracts import Message, Samples
from wflsim.learning import testing
from wflsim.learning.anatomy import Anatomy, bitmap_bits, step_macs
from wflsim.learning.blueprint import Blueprint, Chain, Linear
from wflsim.learning.data.digits import Digits
from wflsim.learning.data.registry import SETS
from wflsim.learning.fusion import masked_mean
from wflsim.learning.models import Mlp
from wflsim.learning.partitions.hold_out import hold_out
from wflsim.learning.partitions.labels import Classes
from wflsim.learning.payload import pruned, unpack
from wflsim.learning.pruning.choosing import keep_largest
from wflsim.learning.testing import cohort_of, small_task


def scores(*shapes, devices=3, seed=0):
    rng = np.random.default_rng(seed)
    return {
        f"w{i}": torch.from_numpy(rng.random((devices, *shape))) for i, shape in enumerate(shapes)
    }


@pytest.mark.parametrize("scope", ["global", "per_layer"])
@given(keep=st.lists(st.integers(1, 30), min_size=3, max_size=3), seed=st.integers(0, 100))
def test_a_mask_keeps_exactly_what_was_asked_and_nothing_smaller(scope, keep, seed):
    found = scores((4, 5), (10,), seed=seed)
    masks = keep_largest(found, np.array(keep) / 30, scope)
    for device, count in enumerate(keep):
        chosen = {name: mask[device] for name, mask in masks.items()}
        assert sum(int(mask.sum()) for mask in chosen.values()) == count
        kept = torch.cat([found[n][device][m] for n, m in chosen.items()])
        dropped = torch.cat([found[n][device][~m] for n, m in chosen.items()])
        if scope == "global" and len(dropped):
            assert kept.min() >= dropped.max()


def test_per_layer_keeps_the_same_share_of_every_layer():
    masks = keep_largest(scores((10, 10), (50,)), np.full(3, 0.3), "per_layer")
    assert [int(mask[0].sum()) for mask in masks.values()] == [30, 15]


def test_ties_go_to_the_earlier_weight():
    masks = keep_largest({"w": torch.zeros(1, 6)}, np.array([0.5]))
    assert masks["w"].tolist() == [[True, True, True, False, False, False]]


@given(st.integers(1, 40), st.integers(0, 1000))
def test_what_is_packed_is_what_arrives(count, seed):
    rng = torch.Generator().manual_seed(seed)
    params = {
        "a": torch.rand(5, 4, generator=rng),
        "bias": torch.rand(3, generator=rng),
        "b": torch.rand(20, generator=rng),
    }
    flat = torch.randperm(40, generator=rng) < count
    masks = {"a": flat[:20].reshape(5, 4), "b": flat[20:]}
    message = Message(pruned(params, masks))
    assert message.bits == 32 * count + 32 * 3 + bitmap_bits(40)
    arrived, kept = unpack(message, {name: tensor.shape for name, tensor in params.items()})
    assert torch.equal(arrived["bias"], params["bias"])
    assert kept["bias"].all()
    for name, mask in masks.items():
        assert torch.equal(kept[name], mask)
        assert torch.equal(arrived[name], params[name] * mask)


def test_halving_the_kept_weights_halves_the_prunable_bits():
    params = {"w": torch.rand(64, 10)}
    sizes = []
    for keep in (0.8, 0.4):
        masks = keep_largest({"w": params["w"][None]}, np.array([keep]))
        message = Message(pruned(params, {"w": masks["w"][0]}))
        sizes.append(message.bits - bitmap_bits(640))
    assert sizes[0] == 2 * sizes[1] == 32 * 512


def test_dense_messages_fuse_to_the_weighted_mean():
    before = {"w": torch.zeros(4)}
    messages = [Message({"w": torch.full((4,), value)}) for value in (1.0, 4.0)]
    assert torch.allclose(
        masked_mean(before, messages, np.array([0.25, 0.75]))["w"], torch.full((4,), 3.25)
    )


def test_a_coordinate_is_the_mean_of_those_who_kept_it_and_stays_if_nobody_did():
    before = {"w": torch.tensor([9.0, 9.0, 9.0])}
    masks = [torch.tensor([True, True, False]), torch.tensor([True, False, False])]
    values = [torch.tensor([1.0, 2.0, 0.0]), torch.tensor([3.0, 0.0, 0.0])]
    messages = [Message(pruned({"w": v}, {"w": m})) for v, m in zip(values, masks, strict=True)]
    assert masked_mean(before, messages, np.array([0.5, 0.5]))["w"].tolist() == [2.0, 2.0, 9.0]


def test_equal_masks_fuse_to_the_plain_mean_of_what_was_kept():
    mask = torch.tensor([True, False, True, True])
    values = [torch.rand(4) * mask for _ in range(3)]
    messages = [Message(pruned({"w": v}, {"w": mask})) for v in values]
    fused = masked_mean({"w": torch.zeros(4)}, messages, np.full(3, 1 / 3))["w"]
    assert torch.allclose(fused, torch.stack(values).mean(0), atol=1e-7)


def split(partition, labels, devices, seed):
    samples = Samples(np.zeros((len(labels), 1), np.float32), labels)
    return partition.split(samples, np.zeros((devices, 2)), np.random.default_rng(seed)).parts


@given(st.integers(2, 30), st.integers(1, 10), st.integers(0, 50))
@settings(max_examples=40, deadline=None)
def test_classes_are_dealt_evenly_and_exactly(devices, per_device, seed):
    labels = np.repeat(np.arange(10), 60)
    parts = split(Classes(per_device), labels, devices, seed)
    held = [set(labels[part]) for part in parts]
    assert all(len(classes) == per_device for classes in held)
    holders = np.bincount([label for classes in held for label in classes], minlength=10)
    assert holders.max() - holders.min() <= 1
    assert len(np.unique(np.concatenate(parts))) == sum(map(len, parts))


def test_more_classes_than_there_are_is_refused():
    with pytest.raises(ValueError, match="per_device asks for 11 classes of 10"):
        split(Classes(11), np.repeat(np.arange(10), 9), 3, 0)


@given(st.integers(2, 300), st.floats(0.01, 0.99))
def test_held_out_samples_are_never_trained_on_and_have_the_same_mix(count, share):
    labels = np.arange(1000) % 3
    samples = np.arange(count)
    train, test = hold_out(samples, labels, share, np.random.default_rng(0))
    assert sorted([*train, *test]) == list(samples)
    assert len(test) == min(count - 1, max(1, round(share * count)))
    if len(test) >= 3:
        shares = np.bincount(labels[test], minlength=3)
        assert shares.max() - shares.min() <= 2


MODEL = Blueprint(Chain((Linear("a", 6), Linear("b", 5), Linear("c", 3))), (4,)).anatomy


def test_operations_of_a_step_layer_by_layer():
    everything = step_macs(MODEL, MODEL)
    assert everything == (24 * 2 + 30 * 3 + 15 * 3, 0)  # the input needs no error
    shared, own = MODEL.split("output")
    assert step_macs(MODEL, own) == (24 + 30 + 15 * 2, 0)  # forward, and the head's gradient
    assert step_macs(MODEL, shared) == (
        24 * 2 + 30 * 3 + 15 * 2,
        0,
    )  # the error passes through the head
    assert step_macs(MODEL, Anatomy(())) == (0, 0)
    assert step_macs(MODEL, shared, shared.layers) == (15 * 2, 24 * 2 + 30 * 3)


@pytest.mark.parametrize(("personal", "names"), [("output", ["c"]), ("input", ["a"]), ("none", [])])
def test_a_split_loses_nothing(personal, names):
    shared, own = MODEL.split(personal)
    assert [layer.name for layer in own.layers] == names
    assert shared.bits + own.bits == MODEL.bits == 32 * (69 + 14)


def test_training_equals_plain_sgd_one_device_at_a_time():
    task = small_task()
    cohort = cohort_of(task, np.arange(5), 2, how="loop")
    (batches,) = cohort.phases((5,), 8)
    trained = cohort.train(cohort.stack(task.initial), task.anatomy.tensors, batches, 0.1)
    for device in range(5):
        module = Mlp(hidden=(7,)).blueprint((1, 8, 8), 10).build()
        module.load_state_dict(task.initial)
        optimiser = torch.optim.SGD(module.parameters(), lr=0.1)
        for batch in batches.rows[:, device]:
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(
                module(task.inputs[batch]), task.labels[batch]
            ).backward()
            optimiser.step()
        for name, tensor in module.named_parameters():
            assert torch.equal(trained[name][device], tensor)


def test_batches_run_through_a_devices_own_samples_and_depend_on_nobody_else():
    task = small_task()
    cohort = cohort_of(task, np.arange(5), 1)
    alone = cohort_of(task, np.array([2]), 1)
    (batches,) = cohort.phases((100,), 8)
    assert torch.equal(batches.rows[:, 2], alone.phases((100,), 8)[0].rows[:, 0])
    own = task.holdings.train[2]
    epoch = batches.rows[:, 2].reshape(-1)[: len(own)]
    assert sorted(epoch.tolist()) == sorted(own)


def test_masked_training_never_revives_a_weight():
    task = small_task()
    cohort = cohort_of(task, np.arange(5))
    (batches,) = cohort.phases((4,), 8)
    mask = {"dense0.weight": torch.rand(5, 7, 64) < 0.5}
    start = {
        **cohort.stack(task.initial),
        "dense0.weight": task.initial["dense0.weight"] * mask["dense0.weight"],
    }
    trained = cohort.train(start, task.anatomy.tensors, batches, 0.1, mask)
    assert (trained["dense0.weight"][~mask["dense0.weight"]] == 0).all()
    assert not torch.equal(trained["dense0.weight"], start["dense0.weight"])


@pytest.mark.parametrize(
    ("family", "check"),
    [
        ("data", testing.check_data),
        ("partition", testing.check_partition),
        ("model", testing.check_model),
        ("engine", testing.check_engine),
        ("algorithm", testing.check_algorithm),
    ],
)
def test_the_whole_catalogue_conforms(family, check):
    # One trains nothing, two have no defaults, two need norms and one filters, and sets in files and models that are views of a
    # shared one have tests of their own.
    views = {"pfedgate", "fedspa", "lottery_fl", "sub_fedavg"}
    elsewhere = {"workload", "npz", "own", "fedbn", "safl", "efficient_fl", *views, *SETS}
    for kind in set(kinds(family)) - elsewhere:
        check(component(family, kind)())


def test_the_digits_are_those_of_scikit_learn(monkeypatch):
    from sklearn.datasets import load_digits

    pixels, digits = load_digits(return_X_y=True)
    loaded = Digits().load()
    images, labels = loaded.inputs, loaded.labels
    assert np.array_equal(images.reshape(-1, 64), (pixels / 8 - 1).astype(np.float32))
    assert np.array_equal(labels, digits)
    monkeypatch.setattr("wflsim.learning.data.digits.find_spec", lambda name: None)
    assert np.array_equal(Digits().load().inputs, images)
