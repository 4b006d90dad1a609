"""The radio against 3GPP's calibration: percentiles of coupling gain and geometry beside the companies' medians."""

from benchmarks.outcome import Bar, Outcome
from channel_models.calibration import CASES, compare, deployment, drops

CARRIERS_GHZ = (6.0, 30.0, 70.0)
DEVICES = 6000


def run(full: bool) -> Outcome:
    """Compare every network in every band; gates stand where medians were published."""
    rows, bars = [], {}
    for carrier_ghz in CARRIERS_GHZ:
        for case in CASES:
            curves = drops(deployment(case, carrier_ghz), DEVICES, 9 if full else 3)
            for row in compare(case, carrier_ghz, curves):
                known = row.theirs_db is not None
                rows.append(
                    (
                        f"{case} {carrier_ghz:g} GHz",
                        row.curve,
                        f"{row.percent:g} %",
                        f"{row.ours_db:.2f}",
                        f"{row.theirs_db:.1f}" if known else "-",
                        f"{row.ours_db - (row.theirs_db or 0.0):+.2f}" if known else "-",
                    )
                )
                if row.gated:
                    claim = f"{case} {row.curve} {row.percent:g} %: distance in dB"
                    bars[claim] = Bar(
                        abs(row.ours_db - (row.theirs_db or 0.0)), row.tolerance_db or 0.0
                    )
    header = ("network", "curve", "percentile", "ours_db", "3gpp_db", "difference_db")
    return Outcome("calibration", header, rows, {}, bars)
