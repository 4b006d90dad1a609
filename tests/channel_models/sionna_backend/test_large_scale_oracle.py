"""Losses, sight, shadowing, walls and spreads against Sionna 2.2 on random networks, in double precision."""

from dataclasses import replace
from functools import cache, partial

import numpy as np
import pytest

pytest.importorskip("sionna", reason="Sionna is the oracle; pip install 'wflsim[sionna]'")

from channel_models.large_scale import rural, urban
from channel_models.large_scale.indoor import IndoorFactory, IndoorOffice
from channel_models.large_scale.path_loss import IN_SIGHT, INDOORS, OUT_OF_SIGHT
from channel_models.large_scale.penetration import car_penetration, wall_penetration
from channel_models.large_scale.rural import RuralMacro
from channel_models.large_scale.urban import UrbanMacro, UrbanMicro, uma_environment_m
from channel_models.layouts.geometry import paths_between
from channel_models.sionna_backend import door
from channel_models.standards import table

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    # Heights are drawn, and a table has one.
    pytest.mark.filterwarnings("ignore::channel_models.large_scale.validity.OutOfRange"),
]

EXACT_C = 299_792_458.0
LINKS, NETWORKS = 120, 4
SPECIFICATION = {16: "16.1", 19: "19.2"}
OUTDOOR = {
    "UMa": (UrbanMacro, (20.0, 30.0), (1.5, 13.0)),
    "UMi": (UrbanMicro, (8.0, 14.0), (1.5, 22.5)),
}
REACH = {"UMa": (10.0, 5000.0), "UMi": (10.0, 5000.0), "RMa": (10.0, 10_000.0), "InH": (0.5, 140.0)}
HALLS = ("SL", "DL", "SH", "DH", "HH")


def theirs(kind, carrier_ghz, release=19, **own):
    """Return Sionna's scenario of a kind, without a network yet."""
    import sionna.phy.channel.tr38901 as models
    from sionna.phy.channel.tr38901.inf_scenario import InFScenario
    from sionna.phy.channel.tr38901.inh_scenario import InHScenario
    from sionna.phy.channel.tr38901.rma_scenario import RMaScenario
    from sionna.phy.channel.tr38901.uma_scenario import UMaScenario
    from sionna.phy.channel.tr38901.umi_scenario import UMiScenario

    classes = {
        "UMa": UMaScenario,
        "UMi": UMiScenario,
        "RMa": RMaScenario,
        "InH": InHScenario,
        "InF": InFScenario,
    }
    antenna = models.PanelArray(
        num_rows_per_panel=1,
        num_cols_per_panel=1,
        polarization="single",
        polarization_type="V",
        antenna_pattern="omni",
        carrier_frequency=1e9 * carrier_ghz,
        precision="double",
        device="cpu",
    )
    if kind in {"UMa", "UMi"}:
        own = {"o2i_model": "low"} | own
    return classes[kind](
        carrier_frequency=1e9 * carrier_ghz,
        ut_array=antenna,
        bs_array=antenna,
        direction="uplink",
        precision="double",
        device="cpu",
        spec_version=SPECIFICATION[release],
        **own,
    )


def network(scenario, ground_m, base_m, device_m, sight, *, indoors=False, depth_m=None):
    """Put devices to the east of a base station of their own and return the scenario; heights and sight broadcast.

    One device in each of many networks: Sionna keeps the distances between all devices of a network.
    """
    import torch

    many = len(ground_m)
    device = np.zeros((many, 1, 3))
    device[:, 0, 0], device[:, 0, 2] = ground_m, device_m
    base = np.zeros((many, 1, 3))
    base[..., 2] = base_m
    still = np.zeros((many, 1, 3))
    inside = np.full((many, 1), indoors or scenario.scenario_kind in {"inh", "inf"})
    scenario.set_topology(
        ut_loc=device,
        bs_loc=base,
        ut_orientations=still,
        bs_orientations=still,
        ut_velocities=still,
        in_state=torch.as_tensor(inside),
        los=torch.full((many, 1, 1), sight),
        distance_2d_in=None if depth_m is None else torch.as_tensor(depth_m[:, None]),
    )
    return scenario


def numbers(tensor):
    """Return the column of a tensor of Sionna's that has one base station and one device in each network."""
    return tensor[:, 0, 0].numpy()


def ours(model, ground_m, seed=1):
    paths = paths_between(np.stack([ground_m, 0.0 * ground_m], axis=1), np.zeros((1, 2)))
    state = model.init(len(ground_m), 1, np.random.default_rng(seed))
    return state, model.large_scale(state, paths)


def random_cell(kind, rng):
    """Return a random cell of ours and how Sionna builds the same one."""
    ghz = np.exp(rng.uniform(np.log(0.5), np.log(30.0 if kind == "RMa" else 100.0)))
    between = rng.uniform
    if kind in OUTDOOR:
        model, base_m, device_m = OUTDOOR[kind]
        return model(ghz, between(*base_m), between(*device_m)), partial(theirs, kind, ghz)
    if kind == "RMa":
        h, w = between(5.0, 50.0, 2)
        own = {"average_building_height": h, "average_street_width": w}
        found = RuralMacro(ghz, between(10.0, 150.0), between(1.0, 10.0), "random", h, w)
        return found, partial(theirs, kind, ghz, **own)
    if kind == "InH":
        office = str(rng.choice(["mixed", "open"]))
        found = IndoorOffice(ghz, 3.0, between(1.0, 1.5), office=office)
        return found, partial(theirs, kind, ghz, indoor_scenario=office)
    r = between(0.1, 0.8)
    found = IndoorFactory(ghz, between(8.0, 9.0), between(1.0, 1.9), hall=kind, clutter_density=r)
    return found, partial(theirs, "InF", ghz, factory_scenario=kind, clutter_density=r)


def random_networks(kind):
    """Return random networks: a cell of ours, how Sionna builds it, and distances."""
    rng = np.random.default_rng([38901, *kind.encode()])
    nearest_m, farthest_m = REACH.get(kind, (1.0, 550.0))
    for _ in range(NETWORKS):
        yield *random_cell(kind, rng), np.geomspace(nearest_m, farthest_m, LINKS)


def our_losses(kind, sight):
    """Return our losses on random networks, shape (networks · links,)."""
    rule = "always" if sight else "never"
    found = [
        ours(replace(model, line_of_sight=rule), ground_m)[1].loss_db[:, 0]
        for model, _, ground_m in random_networks(kind)
    ]
    return np.concatenate(found)


@cache
def their_losses(kind, sight):
    """Return Sionna's losses on the same networks."""
    found = [
        network(scenario(), ground_m, model.base_height_m, model.device_height_m, sight)
        for model, scenario, ground_m in random_networks(kind)
    ]
    return np.concatenate([numbers(scenario.basic_pathloss) for scenario in found])


CASES = [(kind, sight) for kind in ("UMa", "UMi", "RMa", "InH", *HALLS) for sight in (True, False)]
CASES.remove(("HH", False))


def test_the_number_of_cases():
    assert len(CASES) * NETWORKS * LINKS == 17 * 480 == 8160


@pytest.mark.parametrize(("kind", "sight"), CASES)
def test_path_loss(kind, sight, monkeypatch):
    one, other = our_losses(kind, sight), their_losses(kind, sight)
    assert one.shape == other.shape == (NETWORKS * LINKS,)
    # In the country the breakpoint's own distance counts too: 0.002 lg(h) dB a metre.
    np.testing.assert_allclose(one, other, atol=0.02 if kind == "RMa" else 0.01, rtol=0.0)
    # With the speed of light that Sionna takes they agree to the last digits.
    for module in (urban, rural):
        monkeypatch.setattr(module, "SPEED_OF_LIGHT_38901", EXACT_C)
    one = our_losses(kind, sight)
    np.testing.assert_allclose(one, other, atol=1e-9, rtol=0.0)


@pytest.mark.parametrize(("kind", "largest_db"), [("UMa", 0.00541), ("UMi", 0.00571)])
def test_beyond_the_breakpoint_the_speed_of_light_is_all_that_differs(kind, largest_db):
    difference_db = np.abs(our_losses(kind, sight=True) - their_losses(kind, sight=True))
    assert difference_db.max() == pytest.approx(largest_db, abs=2e-5)
    assert np.sum(difference_db > 1e-4) > 10
    assert np.sum(difference_db < 1e-9) > 50


@pytest.mark.parametrize("kind", ["UMa", "UMi", "RMa", "InH", *HALLS])
def test_probability_of_line_of_sight(kind):
    many = 20_000
    for model, scenario, ground_m in random_networks(kind):
        known = network(
            scenario(), ground_m, model.base_height_m, model.device_height_m, sight=True
        )
        probability = np.minimum(numbers(known.los_probability), 1.0)
        at = np.arange(0, LINKS, 12)
        links = ours(model, np.repeat(ground_m[at], many // len(at)))[1]
        seen = links.line_of_sight.reshape(len(at), -1)
        error = np.sqrt(probability[at] * (1.0 - probability[at]) / seen.shape[1])
        assert np.all(np.abs(seen.mean(axis=1) - probability[at]) <= 4.5 * error + 1e-12)


@pytest.mark.parametrize("height_m", [1.5, 13.0, 18.0, 22.5])
def test_probabilities_are_the_same_numbers(height_m):
    from channel_models.large_scale import line_of_sight as sight

    ground_m = np.geomspace(1.0, 5000.0, 300)
    functions = {
        "UMa": (25.0, lambda d: sight.uma_line_of_sight_probability(d, height_m)),
        "UMi": (10.0, sight.umi_line_of_sight_probability),
        "RMa": (35.0, sight.rma_line_of_sight_probability),
        "InH": (3.0, sight.inh_line_of_sight_probability),
    }
    for kind, (base_m, function) in functions.items():
        own = {"indoor_scenario": "mixed"} if kind == "InH" else {}
        scenario = network(theirs(kind, 6.0, **own), ground_m, base_m, height_m, sight=True)
        # Just beyond 18 m Sionna's goes up to 1.0024 for devices of 22.5 m; nothing is surer than 1.
        probability = np.minimum(numbers(scenario.los_probability), 1.0)
        np.testing.assert_allclose(function(ground_m), probability, rtol=1e-12)


def conditions(kind, release, carrier_ghz):
    """Return our links of all conditions and Sionna's scenarios: sight, out of sight, indoors."""
    own = {"InH": {"indoor_scenario": "mixed"}}
    model = {"UMa": UrbanMacro, "UMi": UrbanMicro, "RMa": RuralMacro, "InH": IndoorOffice}.get(kind)
    at = (
        np.array([50.0, 300.0, 4000.0])
        if kind in {"UMa", "UMi", "RMa"}
        else np.array([20.0, 50.0, 100.0])
    )
    for condition in (IN_SIGHT, OUT_OF_SIGHT, INDOORS):
        if condition == INDOORS and kind not in {"UMa", "UMi", "RMa"}:
            continue
        sight = "never" if condition == OUT_OF_SIGHT else "always"
        inside = {"indoor_share": 1.0} if condition == INDOORS else {}
        if model is None:
            found = IndoorFactory(
                carrier_ghz=carrier_ghz, hall=kind, line_of_sight=sight, release=release
            )
            base_m, device_m = 8.0, 1.5
            scenario = theirs("InF", carrier_ghz, release, factory_scenario=kind)
        else:
            found = model(carrier_ghz=carrier_ghz, line_of_sight=sight, release=release, **inside)
            base_m, device_m = found.base_height_m, found.device_height_m
            scenario = theirs(kind, carrier_ghz, release, **own.get(kind, {}))
        network(scenario, at, base_m, device_m, sight == "always", indoors=condition == INDOORS)
        _, links = ours(found, at)
        assert np.all(links.condition == condition)
        yield condition, found, links, scenario


STATISTICS = [
    (kind, release, ghz)
    for kind in ("UMa", "UMi", "RMa", "InH", "SL", "DL", "SH", "DH")
    for release in (16, 19)
    for ghz in (0.8, 3.5, 28.0)
]


@pytest.mark.parametrize(("kind", "release", "carrier_ghz"), STATISTICS)
def test_deviation_and_correlation_of_shadowing(kind, release, carrier_ghz):
    checked = 0
    for _, _, links, scenario in conditions(kind, release, carrier_ghz):
        sigma_db = 10.0 * numbers(scenario.lsp_log_std[..., 3])
        np.testing.assert_allclose(links.sigma_db[:, 0], sigma_db, rtol=1e-12)
        np.testing.assert_allclose(
            links.correlation_m[:, 0], numbers(scenario.get_param("corrDistSF"))
        )
        checked += 1
    assert checked == (3 if kind in {"UMa", "UMi", "RMa"} else 2)


@pytest.mark.parametrize(("kind", "release", "carrier_ghz"), STATISTICS)
def test_delay_spreads_and_k_factors(kind, release, carrier_ghz):
    checked = 0
    for condition, model, _, scenario in conditions(kind, release, carrier_ghz):
        # Two draws from known normals give the mean and the deviation of each parameter.
        state, _ = ours(model, np.array([50.0]))
        at = paths_between(np.array([[50.0, 0.0]]), np.zeros((1, 2)))
        low, high = (
            model.large_scale(replace(state, k_factor=z, delay_spread=z), at)
            for z in (np.zeros((1, 1)), np.ones((1, 1)))
        )
        lg_low, lg_high = np.log10([low.delay_spread_s[0, 0], high.delay_spread_s[0, 0]])
        mean, deviation = (numbers(of)[0] for of in (scenario.lsp_log_mean, scenario.lsp_log_std))
        assert lg_low == pytest.approx(mean[0], abs=1e-9)
        assert lg_high - lg_low == pytest.approx(deviation[0], abs=1e-9)
        if condition == IN_SIGHT:
            assert low.k_factor_db[0, 0] == pytest.approx(10.0 * mean[4], abs=1e-9)
            assert high.k_factor_db[0, 0] - low.k_factor_db[0, 0] == pytest.approx(
                10.0 * deviation[4]
            )
        else:
            assert low.k_factor_db[0, 0] == -np.inf
        checked += 1
    assert checked == (3 if kind in {"UMa", "UMi", "RMa"} else 2)


@pytest.mark.parametrize("kind", ["UMa", "UMi", "RMa", "InH"])
def test_correlation_of_line_of_sight(kind):
    own = {"indoor_scenario": "open"} if kind == "InH" else {}
    expected_m = float(theirs(kind, 6.0, **own)._los_state_correlation_distance())
    assert table("tr38901_large_scale")[kind]["d_cor_LOS"] == expected_m


def walls(monkeypatch, scenario):
    """Return Sionna's penetration losses of a network without their chance, and the deviations it asked for."""
    from sionna.phy.channel.tr38901.lsp import LSPGenerator

    asked = []
    generator = LSPGenerator(scenario)
    monkeypatch.setattr(
        generator,
        "_sample_o2i_penetration_random",
        lambda sigma_db: asked.append(sigma_db) or 0.0 * scenario.basic_pathloss,
        raising=True,
    )
    loss = generator._o2i_low_loss if scenario.o2i_model == "low" else generator._o2i_high_loss
    return numbers(loss()), asked


@pytest.mark.parametrize("release", [16, 19])
@pytest.mark.parametrize("wall", ["low", "high"])
@pytest.mark.parametrize("carrier_ghz", [6.0, 15.0, 28.0, 73.0])
def test_walls(monkeypatch, release, wall, carrier_ghz):
    depth_m = np.array([0.0, 10.0, 25.0])
    for kind, base_m in (("UMa", 25.0), ("UMi", 10.0)):
        scenario = theirs(kind, carrier_ghz, release, o2i_model=wall)
        network(scenario, np.full(3, 100.0), base_m, 1.5, sight=True, indoors=True, depth_m=depth_m)
        loss_db, asked = walls(monkeypatch, scenario)
        expected = wall_penetration(wall, carrier_ghz, release)
        np.testing.assert_allclose(expected.mean_db + 0.5 * depth_m, loss_db, rtol=1e-12)
        assert asked == [expected.sigma_db]


@pytest.mark.parametrize("release", [16, 19])
@pytest.mark.parametrize("carrier_ghz", [0.8, 3.5, 5.9])
def test_walls_in_the_country_know_no_model_of_one_frequency(monkeypatch, release, carrier_ghz):
    scenario = theirs("RMa", carrier_ghz, release)
    depth_m = np.array([0.0, 5.0, 10.0])
    network(scenario, np.full(3, 500.0), 35.0, 1.5, sight=True, indoors=True, depth_m=depth_m)
    loss_db, asked = walls(monkeypatch, scenario)
    expected = wall_penetration("low", carrier_ghz, release)
    np.testing.assert_allclose(expected.mean_db + 0.5 * depth_m, loss_db, rtol=1e-12)
    assert asked == [expected.sigma_db] == [4.4]


@pytest.mark.parametrize("wall", ["low", "high"])
def test_below_6_ghz_sionna_takes_the_model_of_one_frequency(monkeypatch, wall):
    scenario = theirs("UMi", 5.9, o2i_model=wall)
    depth_m = np.array([0.0, 10.0, 25.0])
    network(scenario, np.full(3, 100.0), 10.0, 1.5, sight=True, indoors=True, depth_m=depth_m)
    loss_db, asked = walls(monkeypatch, scenario)
    expected = wall_penetration("single_frequency", 5.9)
    np.testing.assert_allclose(expected.mean_db + 0.5 * depth_m, loss_db, rtol=1e-12)
    assert asked == []
    assert expected.sigma_db == 0.0


@pytest.mark.parametrize("kind", ["UMa", "UMi", "RMa"])
@pytest.mark.parametrize("sight", ["always", "never"])
def test_whole_loss_of_devices_in_buildings(monkeypatch, kind, sight):
    model = {"UMa": UrbanMacro, "UMi": UrbanMicro, "RMa": RuralMacro}[kind]
    wall = {"high_loss_share": 0.0} if kind != "RMa" else {}
    found = model(carrier_ghz=28.0, line_of_sight=sight, indoor_share=1.0, **wall)
    for module in (urban, rural):
        monkeypatch.setattr(module, "SPEED_OF_LIGHT_38901", EXACT_C)
    ground_m = np.geomspace(30.0, 3000.0, 200)
    state, links = ours(found, ground_m)
    if (
        kind == "UMa"
    ):  # both ends draw an environment of their own; its least height is where they can agree
        state = replace(state, environment=None)
        paths = paths_between(np.stack([ground_m, 0.0 * ground_m], axis=1), np.zeros((1, 2)))
        links = found.large_scale(state, paths)
    at = state.whereabouts
    scenario = theirs(kind, 28.0)
    if kind == "UMa":
        import torch

        monkeypatch.setattr(
            scenario, "_sample_environment_height", lambda ground, height: torch.ones_like(ground)
        )
    network(
        scenario, ground_m, found.base_height_m, at.height_m[:, 0], sight == "always",
        indoors=True, depth_m=at.depth_m[:, 0] * np.ones(200),
    )  # fmt: skip
    loss_db, _ = walls(monkeypatch, scenario)
    chance_db = at.penetration_db - wall_penetration("low", 28.0).mean_db
    np.testing.assert_allclose(
        links.loss_db[:, 0] - chance_db[:, 0], numbers(scenario.basic_pathloss) + loss_db, atol=1e-9
    )
    assert chance_db.std() == pytest.approx(4.4, rel=0.25)


def test_depth_behind_the_wall_is_the_lesser_of_two():
    many = 20_000
    for kind, most_m, single in (("UMa", 25.0, False), ("RMa", 10.0, False), ("UMi", 25.0, True)):
        scenario = theirs(kind, 3.5 if single else 28.0)
        with door._drawing(3):
            network(scenario, np.full(many, 100.0), 25.0, 1.5, sight=True, indoors=True)
        their_m = numbers(scenario.distance_2d_in)
        model = {"UMa": UrbanMacro, "RMa": RuralMacro, "UMi": UrbanMicro}[kind]
        own = {"penetration": "single_frequency"} if single else {}
        state, _ = ours(model(carrier_ghz=3.5, indoor_share=1.0, **own), np.full(many, 100.0))
        mean_m = most_m / (2.0 if single else 3.0)
        sigma_m = most_m / np.sqrt(12.0 if single else 18.0)
        for depth_m in (their_m, state.whereabouts.depth_m):
            assert depth_m.mean() == pytest.approx(mean_m, abs=4.0 * sigma_m / np.sqrt(many))
            assert depth_m.std() == pytest.approx(sigma_m, rel=0.03)


def test_cars():
    for metallised, name in ((False, "ordinary"), (True, "metallized")):
        scenario = theirs("RMa", 3.5, car_window_type=name)
        assert (
            float(scenario.car_penetration_loss_mean)
            == car_penetration(metallised=metallised).mean_db
        )


@pytest.mark.parametrize("ground_m", [100.0, 150.0, 300.0])
def test_height_of_the_environment_of_tall_devices(ground_m):
    many, height_m = 20_000, 22.5
    import torch

    scenario = network(theirs("UMa", 6.0), np.full(many, ground_m), 25.0, height_m, sight=True)
    with door._drawing(5):
        there_m = scenario._sample_environment_height(
            scenario.distance_2d, torch.full((many, 1, 1), height_m, dtype=torch.float64)
        )
    uniform = np.random.default_rng(5).random((many, 1))
    here_m = uma_environment_m(uniform, np.full((many, 1), ground_m), np.array([[height_m]]))
    heights_m = np.array([1.0, 12.0, 15.0, 18.0, 21.0])
    one, other = ((h.ravel()[:, None] == heights_m).mean(axis=0) for h in (here_m, there_m.numpy()))
    assert one.sum() == pytest.approx(1.0)
    assert other.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(one, other, atol=4.0 * np.sqrt(2.0 * 0.25 / many))
