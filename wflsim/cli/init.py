"""`wflsim init`: a commented scenario to start from."""

from pathlib import Path

import click


@click.command("init")
@click.argument("folder", metavar="DIR")
def command(folder: str) -> None:
    """Write DIR/scenario.yaml, a commented scenario, and DIR/scenario.schema.json for your editor."""
    import json

    from wflsim.errors import UserError
    from wflsim.scenario.json_schema import json_schema
    from wflsim.scenario.loading import shipped

    target, schema = Path(folder) / "scenario.yaml", Path(folder) / "scenario.schema.json"
    for path in (target, schema):
        if path.exists():
            raise UserError(f"{path}: exists already and is left as it is; name another folder")
    name = Path(folder).resolve().name
    body = shipped()["quickstart"].read_text(encoding="utf-8").split("\n", 1)[1]
    body = body.replace("name: quickstart", f"name: {json.dumps(name)}", 1)
    head = (
        f"# yaml-language-server: $schema={schema.name}\n"
        f"# Play it with `wflsim run {target}`, look before with `wflsim check {target}`;\n"
        "# `wflsim list` shows what may stand at every `kind`.\n"
    )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(head + body, encoding="utf-8")
        schema.write_text(
            json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
        )
    except OSError as error:
        raise UserError(
            f"{folder}: cannot be written: {error.strerror}; name a folder you may write to"
        ) from error
    click.echo(f"{target}\n{schema}")
