"""The reference tables, made from the catalogue and the column table so that they cannot be stale."""

import json
from pathlib import Path

from wflsim.catalog import FAMILY_OF
from wflsim.cli.listing import kind_rows
from wflsim.records.columns import EVERY_TABLE

ROOT = Path(__file__).parents[1]


def write(folder: Path) -> None:
    """Write a page of all kinds, one of all columns, and what calibration and network benchmark told last."""
    folder.mkdir(exist_ok=True)
    (folder / "kinds.md").write_text("\n".join(["# Kinds", "", *_kinds()]) + "\n", encoding="utf-8")
    (folder / "columns.md").write_text(
        "\n".join(["# Columns", "", *_columns()]) + "\n", encoding="utf-8"
    )
    (folder / "calibration.md").write_text("\n".join(_calibration()) + "\n", encoding="utf-8")
    (folder / "network.md").write_text("\n".join(_bars("network")) + "\n", encoding="utf-8")


def _kinds() -> list[str]:
    lines = []
    for family in sorted(FAMILY_OF.values()):
        lines += [f"## `{family}`", ""]
        for row in kind_rows(family):
            lines += [f"### `kind: {row['kind']}`", "", row["about"], ""]
            if row["fields"]:
                lines += ["| field | accepts | default | meaning |", "|---|---|---|---|"]
                lines += [
                    f"| `{f['name']}` | {f['accepts']} | {'required' if f['required'] else repr(f['default'])} | {f['meaning']} |"
                    for f in row["fields"]
                ]
                lines.append("")
    return lines


def _calibration() -> list[str]:
    lines = (ROOT / "benchmarks/results/calibration.txt").read_text("utf-8").splitlines()
    rows = [line.split() for line in lines if " 6 GHz " in line]
    header = ("network", "curve", "percentile", "ours [dB]", "3GPP [dB]", "difference [dB]")
    return [
        f"| {' | '.join(header)} |",
        f"|{'---|' * len(header)}",
        *(
            f"| {name} | {curve} | {percent} % | {' | '.join(db)} |"
            for name, _, _, curve, percent, _, *db in rows
        ),
    ]


def _bars(benchmark: str) -> list[str]:
    """Return the claims of a committed benchmark as a table."""
    last = (ROOT / f"benchmarks/results/{benchmark}.txt").read_text("utf-8").splitlines()[-1]
    rows = [
        f"| {claim} | {bar['value']:.3g} | {bar['limit']:.3g} |"
        for claim, bar in json.loads(last)["bars"].items()
    ]
    return ["| measured | value | limit |", "|---|---|---|", *rows]


def _columns() -> list[str]:
    lines = [
        "All tables are Parquet files; unit and meaning also travel in the fields' metadata.",
        "",
    ]
    for name, columns in EVERY_TABLE.items():
        lines += [
            f"## `{name}.parquet`",
            "",
            "| column | unit | type | meaning |",
            "|---|---|---|---|",
        ]
        lines += [f"| `{c.name}` | {c.unit} | {c.type} | {c.meaning} |" for c in columns] + [""]
    return lines
