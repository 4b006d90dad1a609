import json

import jsonschema
import pytest
from ruamel.yaml import YAML

from wflsim.errors import ScenarioError
from wflsim.scenario.json_schema import json_schema
from wflsim.scenario.loading import parse, shipped

SCHEMA = json_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)  # which checks the schema once, not every time


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


@pytest.mark.parametrize("path", shipped().values(), ids=str)
def test_it_accepts_what_is_shipped(path):
    VALIDATOR.validate(YAML(typ="safe").load(path))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("devices: 4", "devices: four"),
        ("devices: 4", "device: 4"),
        ("1e6", "-1e6"),
        ("kind: mlp", "kind: nlp"),
    ],
)
def test_it_refuses_what_the_loader_refuses(tiny, old, new):
    good = YAML(typ="safe").load(tiny)
    VALIDATOR.validate(good)
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(YAML(typ="safe").load(tiny.replace(old, new)))


def test_fields_carry_units_and_meanings():
    bandwidth = SCHEMA["properties"]["radio"]["properties"]["bandwidth_hz"]
    assert bandwidth["exclusiveMinimum"] == 0
    assert bandwidth["description"].endswith("[Hz]")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("{algorithm: fedavg, allocator: dense}", "{algorithm: {steps: 3, kind: fedavg}}"),
        ("{algorithm: fedavg, allocator: dense}", "{algorithm: {steps: 3}}"),
        ("rounds: 3", "rounds: 2.0"),
        ("rounds: 3", "rounds: 1e1"),
        ("rounds: 3", "rounds: 3\nalgorithm: fedavg"),
        ("rounds: 3", "rounds: 3\nengine: {threads: 2}"),
    ],
)
def test_schema_and_loader_accept_the_same(tiny, old, new):
    text = tiny.replace(old, new).replace(
        "rounds:", "algorithm: fedavg\nrounds:" if "steps: 3}" in new else "rounds:"
    )
    parse(text, "t")
    VALIDATOR.validate(YAML(typ="safe").load(text))


@pytest.mark.parametrize("gone", ["rounds: 3\n", "algorithm: fedavg\n", "  data: digits\n"])
def test_schema_and_loader_refuse_what_is_incomplete(tiny, gone):
    whole = tiny.partition("variants:")[0] + "algorithm: fedavg\n"
    VALIDATOR.validate(YAML(typ="safe").load(whole))
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(YAML(typ="safe").load(whole.replace(gone, "")))
    with pytest.raises(ScenarioError):
        parse(whole.replace(gone, ""), "t")
