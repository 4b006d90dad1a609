"""The reference tables, made from the catalogue and the column table so that they cannot be stale."""

from pathlib import Path

from wflsim.catalog import FAMILY_OF
from wflsim.cli.listing import kind_rows
from wflsim.records.columns import TABLES


def write(folder: Path) -> None:
    """Write a page of all kinds and a page of all columns."""
    folder.mkdir(exist_ok=True)
    (folder / "kinds.md").write_text("\n".join(["# Kinds", "", *_kinds()]) + "\n", encoding="utf-8")
    (folder / "columns.md").write_text(
        "\n".join(["# Columns", "", *_columns()]) + "\n", encoding="utf-8"
    )


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


def _columns() -> list[str]:
    lines = [
        "Both tables are Parquet files; unit and meaning also travel in the fields' metadata.",
        "",
    ]
    for name, columns in TABLES.items():
        lines += [
            f"## `{name}.parquet`",
            "",
            "| column | unit | type | meaning |",
            "|---|---|---|---|",
        ]
        lines += [f"| `{c.name}` | {c.unit} | {c.type} | {c.meaning} |" for c in columns] + [""]
    return lines
