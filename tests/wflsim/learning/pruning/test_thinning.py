"""Laws of masks and of models that are as small as what is kept."""

import numpy as np
import pytest
import torch
from torch.func import functional_call

from wflsim.catalog import component, kinds
from wflsim.learning.pruning.masks import Masks, both, either
from wflsim.learning.pruning.thinning import Thinning


def entry_by_entry(tensor, units, device):
    """Return which entries are kept, asked for each one by its coordinates."""
    kept = np.ones(tensor.shape, dtype=bool)
    for place in np.ndindex(*tensor.shape):
        for index, axis in zip(place, tensor.axes, strict=True):
            if axis is not None and axis.space in units:
                count = units[axis.space].shape[1]
                unit = index // axis.after % count
                assert (index // axis.after // count) < axis.before
                kept[place] &= bool(units[axis.space][device, unit])
    return kept


def test_an_entry_is_kept_where_all_its_units_are(network, small):
    masks = small.masks(network.anatomy)
    for tensor in network.anatomy.every():
        for device in range(3):
            expected = entry_by_entry(tensor, masks.units, device)
            kept = masks.entries.get(tensor.name)
            found = np.ones(tensor.shape, bool) if kept is None else kept[device].numpy()
            assert np.array_equal(found, expected), tensor.name
            assert (masks.kept(tensor) + np.zeros(3, int))[device] == expected.sum()


def test_thin_tensors_come_back_as_the_masked_dense_ones(network, small):
    params = small.params(network.anatomy)
    for same in (True, False):
        masks = small.masks(network.anatomy, same=same)
        thinning = Thinning.of(network.anatomy, masks)
        thin = thinning.thin(params)
        assert {n: t.dtype for n, t in thin.items()} == {n: t.dtype for n, t in params.items()}
        back, masked = thinning.scattered(thin), masks.applied(params)
        for name, tensor in masked.items():
            assert torch.equal(back[name], tensor), name
        again = thinning.scattered(thin, into=params)
        assert all(torch.equal(again[name], tensor) for name, tensor in params.items())
        server = {name: tensor[0] for name, tensor in params.items()}
        into = thinning.scattered(thin, into=server)
        for name, tensor in params.items():
            kept = masks.entries.get(name, torch.ones_like(tensor, dtype=torch.bool))
            assert torch.equal(into[name], torch.where(kept, tensor, server[name]))


def test_a_devices_thin_tensors_are_its_masked_entries_in_order(network, small):
    params, masks = small.params(network.anatomy), small.masks(network.anatomy)
    thinning = Thinning.of(network.anatomy, masks)
    rows = thinning.rows(thinning.thin(params), network.anatomy.tensors)
    for device, row in enumerate(rows):
        widths = {name: int(width[device]) for name, width in masks.widths.items()}
        shapes = {t.name: t.shape for t in network.narrowed(widths).anatomy.every()}
        for name, tensor in row.items():
            kept = masks.entries.get(name, torch.ones_like(params[name], dtype=torch.bool))
            assert torch.equal(tensor.flatten(), params[name][device][kept[device]])
            assert tuple(tensor.shape) == shapes[name]


def twins(network, small, dtype, *, same):
    """Return the thin module with K devices' tensors, and the masked tensors of the dense one."""
    anatomy = network.anatomy
    masks = small.masks(anatomy, same=same, seed=1)
    thinning = Thinning.of(anatomy, masks)
    params = small.params(anatomy, dtype=dtype)
    params = {name: tensor / 2 for name, tensor in params.items()}
    modules = network.narrowed(thinning.widths).build().to(dtype), network.build().to(dtype)
    return modules, (thinning.thin(params), masks.applied(params)), (thinning, masks)


def run(module, params, device, inputs):
    """Return outputs and statistics of one device's model."""
    own = {name: tensor[device].clone() for name, tensor in params.items()}
    return functional_call(module, own, (inputs,)), own


def test_what_all_devices_share_is_cut_as_if_each_had_its_own(network, small):
    shared = {
        name: tensor[:1].expand(3, *tensor.shape[1:])
        for name, tensor in small.params(network.anatomy).items()
    }
    thinning = Thinning.of(network.anatomy, small.masks(network.anatomy, seed=3))
    own = thinning.thin({name: tensor.contiguous() for name, tensor in shared.items()})
    found = thinning.thin(shared)
    assert any(tensor.any() for tensor in found.values())
    assert all(torch.equal(found[name], tensor) for name, tensor in own.items())


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize("training", [False, True])
def test_a_thin_model_says_what_its_masked_twin_says(network, small, training, same):
    (thin, dense), (few, many), (thinning, _) = twins(network, small, torch.float64, same=same)
    inputs = torch.randn(4, *network.input_shape, dtype=torch.float64)
    for device in range(3):
        one, left = run(thin.train(training), few, device, inputs)
        other, right = run(dense.train(training), many, device, inputs)
        assert one.abs().max() > 1e-3
        assert torch.allclose(one, other, rtol=1e-10, atol=1e-12)
        placed = thinning.scattered(
            {n: few[n].clone().index_copy(0, torch.tensor([device]), left[n][None]) for n in few}
        )
        for name in network.anatomy.statistics:
            assert torch.allclose(placed[name][device], right[name], atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(set(kinds("model")) - {"own"}))
def test_models_of_the_catalogue_can_be_thinned(kind, small):
    shape = (9, 64) if kind.startswith("sensor") else (3, 32, 32)
    network = component("model", kind)().blueprint(shape, 3)
    (thin, dense), (few, many), _ = twins(network, small, torch.float64, same=False)
    inputs = torch.randn(2, *shape, dtype=torch.float64)
    for device in range(3):
        one, _ = run(thin.eval(), few, device, inputs)
        other, _ = run(dense.eval(), many, device, inputs)
        assert torch.allclose(one, other, rtol=1e-9, atol=1e-9 * float(other.abs().max()))


def stepped(module, params, device, batches, masks=None):
    """Return the trained tensors of a device after plain SGD; what is pruned is made zero after every step."""
    own = {name: tensor[device].clone() for name, tensor in params.items()}
    trained = [name for name, _ in module.named_parameters()]
    for inputs, labels in batches:
        leaves = {name: own[name].requires_grad_() for name in trained}
        scores = functional_call(module, {**own, **leaves}, (inputs,))
        loss = torch.nn.functional.cross_entropy(scores, labels)
        slopes = torch.autograd.grad(loss, list(leaves.values()))
        with torch.no_grad():
            for name, slope in zip(leaves, slopes, strict=True):
                own[name] = leaves[name] - 0.1 * slope
                if masks is not None and name in masks.entries:
                    own[name] = own[name] * masks.entries[name][device]
    return {name: own[name].detach() for name in trained}


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_a_thin_model_learns_what_its_masked_twin_learns(network, small, dtype, tolerance, same):
    (thin, dense), (few, many), (thinning, masks) = twins(network, small, dtype, same=same)
    rng = torch.Generator().manual_seed(5)
    batches = [
        (
            torch.randn(6, *network.input_shape, generator=rng, dtype=dtype),
            torch.randint(3, (6,), generator=rng),
        )
        for _ in range(3)
    ]
    left = [stepped(thin, few, device, batches) for device in range(3)]
    right = [stepped(dense, many, device, batches, masks) for device in range(3)]
    stacked = {name: torch.stack([one[name] for one in left]) for name in left[0]}
    placed = thinning.scattered(stacked)
    for name, tensor in placed.items():
        for device in range(3):
            assert torch.allclose(tensor[device], right[device][name], rtol=0, atol=tolerance), name
        again = thinning.thin({name: tensor})
        assert torch.equal(again[name], stacked[name]), "empty places stay exactly zero"
    moved = max(float((placed[name] - many[name]).abs().max()) for name in placed)
    assert moved > 1e-3


def test_masks_survive_a_store_and_a_choice_of_rows(network, small):
    anatomy = network.anatomy
    structured = small.masks(anatomy)
    rng = torch.Generator().manual_seed(2)
    single = Masks.unstructured(
        {
            tensor.name: torch.rand(3, *tensor.shape, generator=rng) < 0.3
            for tensor in anatomy.every()
            if tensor.role == "weight"
        }
    )
    for masks in (structured, single):
        back = Masks.from_tensors(anatomy, masks.to_tensors())
        assert back.entries.keys() == masks.entries.keys()
        assert back.units.keys() == masks.units.keys()
        assert all(torch.equal(back.entries[n], mask) for n, mask in masks.entries.items())
        assert all(torch.equal(back.units[n], mask) for n, mask in masks.units.items())
        assert sum(t.nbytes for t in masks.to_tensors().values()) <= sum(
            mask.numel() // 8 + 3 for mask in (masks.units or masks.entries).values()
        )
        rows = masks.only(np.array([2, 0]))
        assert rows.devices == 2
        assert all(torch.equal(rows.entries[n], m[[2, 0]]) for n, m in masks.entries.items())
        assert all(np.array_equal(rows.widths[n], w[[2, 0]]) for n, w in masks.widths.items())


def test_what_both_keep_lies_within_each_and_each_within_what_either_keeps(network, small):
    anatomy = network.anatomy
    one, other = small.masks(anatomy, seed=3), small.masks(anatomy, seed=4)
    less = Masks.structured(anatomy, both(one.units, other.units))
    more = Masks.structured(anatomy, either(one.units, other.units))
    for each in (one, other):
        assert less.within(each).all()
        assert each.within(more).all()
        assert each.within(each).all()
        assert each.within(Masks.unstructured({})).all()
    assert not one.within(other).all()
    for name in one.entries:
        assert torch.equal(less.entries[name], one.entries[name] & other.entries[name])
    assert not Masks.unstructured({}).within(one).all()
    missing = next(iter(one.entries))
    assert (
        not Masks.unstructured({n: m for n, m in one.entries.items() if n != missing})
        .within(one)[(~one.entries[missing].flatten(1).all(1)).numpy()]
        .any()
    )


def test_what_is_pruned_becomes_zero_even_where_it_was_not_finite():
    masks = Masks.unstructured({"w": torch.tensor([[True, False, False]])})
    params = {"w": torch.tensor([[1.0, torch.nan, -2.0]]), "b": torch.tensor([[torch.inf]])}
    found = masks.applied(params)
    assert found["w"].tolist() == [[1.0, 0.0, 0.0]]
    assert not found["w"].signbit().any()
    assert found["b"] is params["b"]
