"""Fields over the ground: unit variance everywhere, the correlation that is asked for, and honest borders."""

import numpy as np
import pytest

from channel_models.large_scale.fields import Field, draw_field
from channel_models.large_scale.fields import _root_spectrum as root_spectrum

D = 20.0
STEP = D / 8.0


@pytest.fixture(scope="module")
def drawn():
    return draw_field(60, D, 400.0, np.random.default_rng(1))


def scattered(seed=2):
    """Return positions of 11 x 11 devices, 3 d apart, anywhere within their cells of the grid."""
    apart = np.arange(-5, 6) * 3.0 * D
    jitter = np.random.default_rng(seed).uniform(-0.5, 0.5, (121, 2)) * D
    return np.stack(np.meshgrid(apart, apart), axis=-1).reshape(-1, 2) + jitter


def unrolled(side=16):
    """Return a field whose layers are the independent normals it is made of, so that rows give exact covariances."""
    node = np.stack(np.meshgrid(*[np.arange(side)] * 2, indexing="ij"), axis=-1).reshape(-1, 2)
    apart = np.hypot(*(node[:, None] - node[None]).transpose(2, 0, 1)) / 8.0
    many = side**2
    nodes = np.zeros((many, 2 * many), dtype=np.float32)
    nodes[:, :many] = np.linalg.cholesky(np.exp(-apart))
    noise = np.zeros((256, 256, 2 * many), dtype=np.float32)
    shifted = (node - side // 2) % 256
    noise[shifted[:, 0], shifted[:, 1], many + np.arange(many)] = 1.0
    return Field(nodes.reshape(side, side, -1), noise, STEP, 100.0)


@pytest.fixture(scope="module")
def exact():
    return unrolled()


def covariance(field, one, two):
    return np.sum(field.at(one) * field.at(two), axis=1)


def test_the_variance_is_one_at_nodes_between_them_and_at_the_centres_of_cells(exact):
    places = np.array([[0.0, 0.0], [0.5, 0.0], [0.0, 0.5], [0.5, 0.5], [0.25, 0.875], [-0.5, -1.5]])
    np.testing.assert_allclose(covariance(exact, STEP * places, STEP * places), 1.0, atol=1e-6)
    anywhere = np.random.default_rng(3).uniform(-6.0, 6.0, (500, 2)) * STEP
    np.testing.assert_allclose(covariance(exact, anywhere, anywhere), 1.0, atol=1e-6)


def test_the_correlation_between_two_nodes_is_the_exponential(exact):
    node = STEP * np.array([[0.0, 0.0], [1.0, 0.0], [3.0, -4.0], [-6.0, 5.0]])
    apart = np.hypot(*(node - node[0]).T)
    found = covariance(exact, np.repeat(node[:1], 4, axis=0), node)
    np.testing.assert_allclose(found, np.exp(-apart / D), atol=1e-6)


@pytest.mark.parametrize(
    ("steps", "worst", "mean"),
    [(0.1, 0.012, 0.011), (0.5, 0.05, 0.021), (1.0, 0.05, 0.008), (2.0, 0.012, 0.007),
     (4.0, 0.005, 0.002), (6.0, 0.005, 0.002)],
)  # fmt: skip
def test_the_correlation_between_nodes_is_as_near_as_the_documentation_says(
    exact, steps, worst, mean
):
    rng = np.random.default_rng(4)
    one = rng.uniform(-0.5, 0.5, (3000, 2)) * STEP
    turn = rng.uniform(0.0, 2.0 * np.pi, 3000)
    two = one + steps * STEP * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    off = covariance(exact, one, two) - np.exp(-steps / 8.0)
    assert np.abs(off).max() < worst
    assert abs(off.mean()) < mean
    assert steps > 1.0 or np.abs(off).max() > worst / 5.0


@pytest.mark.parametrize("lag_d", [0.25, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("turn_deg", [0.0, 45.0, 90.0])
def test_what_is_drawn_falls_off_as_the_exponential_in_every_direction(drawn, lag_d, turn_deg):
    turn = np.radians(turn_deg)
    one = scattered()
    two = one + lag_d * D * np.array([np.cos(turn), np.sin(turn)])
    products = drawn.at(one) * drawn.at(two)
    rho = np.exp(-lag_d)
    # A product of two standard normals of correlation rho has variance 1 + rho^2.
    error = np.sqrt((1.0 + rho**2) / products.size)
    assert products.mean() == pytest.approx(rho, abs=3.5 * error + 0.007)


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_what_is_drawn_has_variance_one_at_nodes_and_at_centres(drawn, share):
    places = (np.round(scattered() / STEP) + share) * STEP
    values = drawn.at(places)
    assert values.var() == pytest.approx(1.0, abs=3.5 * np.sqrt(2.0 / values.size))
    assert values.mean() == pytest.approx(0.0, abs=3.5 / np.sqrt(values.size))


def test_layers_are_independent(drawn):
    values = drawn.at(scattered())
    together = np.corrcoef(values.T)[np.triu_indices(60, 1)]
    assert np.abs(together).max() < 5.0 / np.sqrt(len(values))
    assert together.std() == pytest.approx(1.0 / np.sqrt(len(values)), rel=0.15)


def test_neighbours_are_alike_and_one_place_has_one_value(drawn):
    here, beside = drawn.at(np.array([[31.0, -7.0], [31.0 + 1e-6, -7.0]]))
    np.testing.assert_allclose(here, beside, atol=1e-4)
    np.testing.assert_array_equal(here, drawn.at(np.array([[5.0, 5.0], [31.0, -7.0]]))[1])


def test_a_layer_more_changes_none_before_it():
    positions = np.random.default_rng(5).uniform(-50.0, 50.0, (20, 2))
    two, three, four = (
        draw_field(layers, D, 50.0, np.random.default_rng(6)).at(positions) for layers in (2, 3, 4)
    )
    np.testing.assert_array_equal(three[:, :2], two)
    np.testing.assert_array_equal(four[:, :3], three)


@pytest.mark.parametrize("side", [3, 4, 51, 323])
def test_the_embedding_needs_no_negative_eigenvalue(side):
    root = root_spectrum(side)
    assert len(root) >= side + 95
    assert root.min() > 0.0
    # Twice the real part of a coefficient has four times the variance; the mirrors count once.
    power = root.astype(np.float64) ** 2
    variance = 4.0 * power[:, 1:-1].sum() + power[:, 0].sum() + power[:, -1].sum()
    assert variance == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("half_width_m", [1e-3, 1.0, 20.0, 50.0, 61.3])
def test_the_whole_square_is_covered(half_width_m):
    field = draw_field(1, D, half_width_m, np.random.default_rng(7))
    corners = half_width_m * np.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
    assert np.isfinite(field.at(corners)).all()


def test_a_position_outside_is_named(drawn):
    with pytest.raises(
        ValueError,
        match=r"^position_m must stay .*raise map_half_width_m, got -400\.5 for device 1",
    ):
        drawn.at(np.array([[400.0, 0.0], [0.0, -400.5]]))
    with pytest.raises(ValueError, match=r"^position_m must be finite, got nan for device 0"):
        drawn.at(np.array([[np.nan, 0.0]]))


@pytest.mark.parametrize(
    ("layers", "correlation_m", "half_width_m", "sentence"),
    [
        (1, 1.0, 1000.0, r"^map_half_width_m must be less, or correlation_m more: .* 16003 x 16003"),
        (100, 7.0, 1000.0, r"^map_half_width_m must be less, or correlation_m more: .*100 layers"),
        (1, 0.0, 10.0, r"^correlation_m must be finite and above 0, got 0\.0"),
        (1, 1.0, -3.0, r"^map_half_width_m must be finite and above 0, got -3\.0"),
        (0, 1.0, 10.0, r"^layers must be at least 1, got 0"),
    ],
)  # fmt: skip
def test_a_map_that_cannot_be_drawn_is_refused(layers, correlation_m, half_width_m, sentence):
    with pytest.raises(ValueError, match=sentence):
        draw_field(layers, correlation_m, half_width_m, np.random.default_rng(8))
