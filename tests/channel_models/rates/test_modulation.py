"""The modulation and coding schemes of TS 38.214."""

import numpy as np
import pytest

from channel_models.rates.modulation import schemes

# Efficiencies as the standard prints them, to four decimals.
PRINTED = {
    1: {0: 0.2344, 9: 1.3262, 10: 1.3281, 16: 2.5703, 17: 2.5664, 18: 2.7305, 28: 5.5547},
    2: {0: 0.2344, 4: 1.1758, 5: 1.4766, 10: 2.5703, 11: 2.7305, 20: 5.3320, 27: 7.4063},
}


@pytest.mark.parametrize(("number", "rows"), [(1, (10, 7, 12, 0)), (2, (5, 6, 9, 8))])
def test_the_tables_have_the_rows_of_the_standard(number, rows):
    known = schemes(number)
    assert tuple(np.sum(known.bits_per_symbol == bits) for bits in (2, 4, 6, 8)) == rows
    assert len(known.index) == len(known.code_rate) == sum(rows) == {1: 29, 2: 28}[number]
    np.testing.assert_array_equal(known.index, np.arange(sum(rows)))


@pytest.mark.parametrize("number", [1, 2])
def test_efficiencies_are_those_printed(number):
    for index, efficiency in PRINTED[number].items():
        # The standard itself rounds 7.40625 up.
        assert schemes(number).efficiency[index] == pytest.approx(efficiency, abs=5.1e-5)


def test_the_sums_of_code_rates_catch_a_digit():
    assert schemes(1).code_rate.sum() * 1024 == 15447
    assert schemes(2).code_rate.sum() * 1024 == 17354


@pytest.mark.parametrize("number", [1, 2])
def test_efficiency_grows_with_the_index_but_for_the_one_step_of_table_1(number):
    falls = np.flatnonzero(np.diff(schemes(number).efficiency) <= 0.0)
    assert falls.tolist() == {1: [16], 2: []}[number]
    assert np.all(np.diff(schemes(number).bits_per_symbol) >= 0)


def test_below_256qam_the_second_table_takes_from_the_first():
    one, two = schemes(1), schemes(2)
    first = set(zip(one.bits_per_symbol, one.code_rate, strict=True))
    shared = {pair for pair in zip(two.bits_per_symbol, two.code_rate, strict=True) if pair[0] < 8}
    assert len(shared) == 20
    assert shared <= first


def test_columns_are_taken_together_and_cannot_be_changed():
    some = schemes(2).at(np.array([[0, 27], [5, 5]]))
    assert some.efficiency.shape == (2, 2)
    assert some.index.tolist() == [[0, 27], [5, 5]]
    assert some.bits_per_symbol.tolist() == [[2, 8], [4, 4]]
    with pytest.raises(ValueError, match="read-only"):
        schemes(1).code_rate[0] = 1.0
