"""The house rules that a script can see."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted(
    path
    for room in ("wflsim", "channel_models", "optimizers")
    for path in (ROOT / room).rglob("*.py")
)


def name_of(path):
    return str(path.relative_to(ROOT))


def functions(tree):
    return [
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_says_what_it_is_for_and_stays_small(path):
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "the first line of a module says what it is for"
    assert text.count("\n") <= 400
    assert [f.name for f in functions(tree) if f.end_lineno - f.lineno >= 40] == []


def test_package_markers_do_nothing():
    for path in MODULES:
        if path.name == "__init__.py":
            kinds = {type(node) for node in ast.parse(path.read_text(encoding="utf-8")).body}
            assert kinds <= {ast.Expr, ast.ImportFrom, ast.Assign}, path


def imported_by(*arguments):
    """Return the top-level modules that a command imports, in a fresh interpreter."""
    code = (
        "import sys, contextlib, io\n"
        "from wflsim.cli.main import main\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        f"    main({list(arguments)!r})\n"
        "print(' '.join(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {module.partition(".")[0] for module in done.stdout.split()}


def test_help_imports_click_and_nothing_heavy():
    found = imported_by("--help")
    heavy = {
        "torch",
        "cvxpy",
        "numpy",
        "scipy",
        "simpy",
        "matplotlib",
        "pandas",
        "pydantic",
        "ruamel",
        "rich",
        "sklearn",
    }
    assert "click" in found
    assert found & heavy == set()


def test_check_plays_nothing_and_imports_none_of_the_rooms_behind_doors():
    found = imported_by("check", "quickstart")
    assert {"numpy", "pydantic"} <= found
    assert found & {"torch", "cvxpy", "simpy", "matplotlib", "ray", "sionna"} == set()


def test_libraries_stand_alone():
    code = "import channel_models, optimizers, sys; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = {module.partition(".")[0] for module in done.stdout.split()}
    assert found & {"wflsim", "torch", "simpy", "cvxpy", "pandas", "pydantic"} == set()


def imports_of(path):
    """Return the project's modules that a module imports anywhere, also for types alone."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def test_no_module_imports_itself_by_any_way_round():
    def module(path):
        return ".".join(path.relative_to(ROOT).with_suffix("").parts)

    known = {module(path): imports_of(path) for path in MODULES if path.name != "__init__.py"}
    graph = {name: sorted(imports & known.keys()) for name, imports in known.items()}
    assert sum(map(len, graph.values())) > 100
    assert list(TopologicalSorter(graph).static_order())  # a cycle raises, and names its members
