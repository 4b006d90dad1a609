"""Sionna's tables of block errors: read as Sionna reads them, and the points on which our own curve must lie."""

import json

import numpy as np
import pytest
from scipy.optimize import brentq

pytest.importorskip("sionna", reason="the tables are Sionna's; pip install 'wflsim[sionna]'")

from channel_models.rates.block_errors import Curve
from channel_models.rates.mcs import Mcs
from channel_models.rates.modulation import schemes
from channel_models.sionna_backend import door
from channel_models.sionna_backend.block_errors import SionnaBlockErrors
from channel_models.testing import check_block_errors

SIZES = ("500", "1000", "2000")


def rows(name, category, number):
    told = json.loads(door.bler_file(name).read_text("utf-8"))
    return {
        int(mcs): row for mcs, row in told["category"][category]["index"][number]["MCS"].items()
    }


def errors(snr_db, scheme, bits=1000.0):
    return SionnaBlockErrors().error_probability(10.0 ** (np.asarray(snr_db) / 10.0), scheme, bits)


@pytest.mark.parametrize("number", [1, 2])
def test_it_reads_the_tables_as_sionna_does(number, one_thread):
    import torch
    from sionna.sys import PHYAbstraction

    theirs = PHYAbstraction(
        load_bler_tables_from=[str(door.bler_file(f"PDSCH_table{number}"))],
        precision="double",
        device="cpu",
    )
    every = schemes(number)
    snr_db = np.round(np.arange(-5.0, 25.0, 0.7), 10)  # on Sionna's grid, for it rounds to that
    bits = np.array([24, 124, 524, 1024, 1524, 1924, 3024])
    index, size, ratio_db = np.meshgrid(np.arange(len(every.index)), bits, snr_db, indexing="ij")
    snr = 10.0 ** (ratio_db / 10.0)
    found = theirs.get_bler(torch.tensor(index), number, 1, torch.tensor(size), torch.tensor(snr))
    known = np.minimum(found.numpy(), 1.0)  # infinite where nothing was simulated
    here = SionnaBlockErrors().error_probability(snr, every.at(index), size.astype(float))
    assert here.size == len(every.index) * 7 * 43
    np.testing.assert_allclose(
        here, known, atol=0.004
    )  # ours never rises; theirs does, by up to 0.0033
    assert np.mean(np.abs(here - known) < 1e-9) > 0.98


def test_it_conforms():
    check_block_errors(SionnaBlockErrors())


@pytest.mark.parametrize("number", [1, 2])
def test_errors_never_grow_with_the_ratio_and_stay_probabilities(number):
    every = schemes(number)
    snr_db = np.linspace(-40.0, 60.0, 2001)
    for bits in (24.0, 300.0, 2000.0, 8448.0):
        found = errors(snr_db, every.at(np.arange(len(every.index))[:, None]), bits)
        assert np.all(np.diff(found, axis=1) <= 1e-15)
        assert np.all((found >= 0.0) & (found <= 1.0))


def test_the_points_of_the_tables_are_met():
    met = 0
    for number in (1, 2):
        for mcs, row in rows(f"PDSCH_table{number}", "1", str(number)).items():
            for bits, column in row["CBS"].items():
                found = errors(row["SNR_db"], schemes(number).at(np.array(mcs)), float(bits))
                np.testing.assert_allclose(found, np.minimum.accumulate(column["BLER"]), atol=1e-12)
                met += len(found)
    assert met == 26 * 5 * 15 + 26 * 5 * 20 == 4550


@pytest.mark.parametrize(("number", "missing"), [(1, [0, 1, 2]), (2, [0, 1])])
def test_schemes_that_were_not_simulated_always_fail(number, missing):
    every = schemes(number)
    found = errors(np.array([[-10.0], [100.0]]), every)
    assert found.shape == (2, len(every.index))
    np.testing.assert_array_equal(found[1] == 1.0, np.isin(every.index, missing))


def test_beyond_the_edges():
    scheme = schemes(1).at(np.array(3))
    assert errors(-4.9999, scheme, 24.0) < 0.95  # the table's first point says 0.94
    assert errors(-5.001, scheme, 24.0) == 1.0
    np.testing.assert_array_equal(errors(5.0, scheme, 8448.0), errors(5.0, scheme, 2000.0))
    scheme = schemes(2).at(np.array(27))
    assert (
        errors(25.0, scheme) == errors(99.0, scheme) > 0.1
    )  # the table ends before the waterfall does
    assert SionnaBlockErrors().error_probability(np.array(0.0), scheme, 1000.0) == 1.0


@pytest.mark.parametrize("bits", [0.0, -8.0, np.nan])
def test_blocks_without_bits_are_refused(bits):
    with pytest.raises(ValueError, match=r"^code_block_bits must be finite and above 0"):
        errors(0.0, schemes(1).at(np.array(3)), bits)


def test_the_uplink_tables_count_with_transform_precoding():
    uplink, downlink = rows("PUSCH_table1", "0", "1"), rows("PDSCH_table1", "1", "1")
    assert (min(uplink), max(uplink), max(downlink)) == (3, 27, 28)

    def distance(mcs, shift):
        one, other = (
            np.array([row["CBS"][size]["BLER"] for size in SIZES])
            for row in (uplink[mcs], downlink[mcs + shift])
        )
        return np.abs(one - other).max()

    # Up to scheme 16 the two agree; from 17 on the uplink's rate is that of the next scheme of the downlink.
    assert max(distance(mcs, 0) for mcs in range(3, 17)) < 0.05
    assert max(distance(mcs, 1) for mcs in range(17, 28)) < 0.05
    assert min(distance(mcs, 0) for mcs in range(17, 28)) > 0.15


def test_our_curve_lies_on_the_simulated_points():
    curve, off_db = Curve(), []

    def crossing_db(scheme, bits, error):
        def excess(snr_db):
            return float(curve.error_probability(10.0 ** (snr_db / 10.0), scheme, bits)) - error

        return brentq(excess, -15.0, 40.0, xtol=1e-9)

    for name, category, number in (
        ("PDSCH_table1", "1", 1),
        ("PDSCH_table2", "1", 2),
        ("PUSCH_table1", "0", 1),
    ):
        for mcs, row in rows(name, category, str(number)).items():
            at = mcs + (name.startswith("PUSCH") and mcs >= 17)
            for bits in SIZES:
                for snr_db, error in zip(row["SNR_db"], row["CBS"][bits]["BLER"], strict=True):
                    if 0.01 < error < 0.99:
                        scheme = schemes(number).at(np.array(at))
                        off_db.append(snr_db - crossing_db(scheme, float(bits), error))
    assert len(off_db) == 210
    assert np.sqrt(np.mean(np.square(off_db))) < 0.06
    assert np.abs(off_db).max() < 0.23


def test_our_curve_at_ten_per_cent_and_the_tables_read_between_their_points():
    curve, snr_db = Curve(), np.arange(-6.0, 25.0, 0.001)
    off_db = []
    for number, first, last in ((1, 3, 28), (2, 2, 26)):
        for mcs in range(first, last + 1):
            scheme = schemes(number).at(np.array(mcs))
            there = errors(snr_db, scheme)
            here = curve.error_probability(10.0 ** (snr_db / 10.0), scheme, 1000.0)
            off_db.append(snr_db[np.argmax(there <= 0.1)] - snr_db[np.argmax(here <= 0.1)])
    assert len(off_db) == 26 + 25
    # The points are 1.6 and 1.8 dB apart: a straight line of lg ε from one to the next falls before the waterfall.
    assert min(off_db) > -0.9
    assert max(off_db) < 0.05
    assert -0.4 < np.mean(off_db) < -0.25


def test_a_link_adapts_with_the_tables_as_with_the_curve():
    snr = 10.0 ** (np.linspace(0.0, 20.0, 21) / 10.0)
    one, other = (Mcs(errors=model).efficiency(snr) for model in (Curve(), SionnaBlockErrors()))
    assert np.all(one > 0.0)
    np.testing.assert_allclose(other, one, rtol=0.2)
    assert np.mean(other / one) == pytest.approx(1.0, abs=0.05)
