"""A network of one's own: any PyTorch module, named by its import path."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from inspect import Parameter, signature
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

from wflsim.contracts import Blueprint
from wflsim.errors import UserError

Place = Annotated[
    str,
    ("pattern", r"^[^:]+:\w+$"),
    ("saying", ' like "my_nets.py:Net" or "package.module:make"'),
]
Arguments = Annotated[
    Mapping[str, bool | int | float | str], ("saying", ": names and their values")
]


@dataclass(frozen=True)
class Own:
    """A PyTorch module of your own, from an importable package or from a file.

    What stands at the path is called with the arguments, and with ``input_shape`` and ``classes`` if it has parameters of
    these names; it returns a module that takes samples, shape (B, *input_shape), and gives scores, shape (B, classes). A
    row of standard layers (nested ``nn.Sequential``) is trained and thinned like the networks that come along; of any other
    module the layers are found by watching it, and no units can be taken out of it.

    Attributes:
        path: A file here and a name in it, or a module that can be imported and a name in it, with a colon between.
        arguments: Arguments by name.

    >>> Own("my_nets.py:Net", {"width": 32}).path
    'my_nets.py:Net'
    """

    path: Place
    arguments: Arguments = field(default_factory=dict, hash=False)

    @property
    def source_sha256(self) -> str:
        """Digest of the file that the network is made from; a run is not resumed with another."""
        place = self.path.partition(":")[0]
        if place.endswith(".py"):
            return sha256(Path(place).read_bytes()).hexdigest()
        found = getattr(import_module(place), "__file__", None)
        return sha256(Path(found).read_bytes()).hexdigest() if found else ""

    def blueprint(self, input_shape: tuple[int, ...], classes: int) -> Blueprint:
        """Return the network: its layers are those of a module that is made now, and of every one that is built."""
        from wflsim.learning.probing import (
            probed,  # torch: a module can only be counted where it exists
        )

        found: Blueprint = probed(
            partial(made, self, input_shape, classes), input_shape, classes, self.path
        )
        return found


def made(own: Own, input_shape: tuple[int, ...], classes: int) -> Any:
    """Return what the user's function makes."""
    return _called(own, _found(own.path), {"input_shape": input_shape, "classes": classes})


def _called(own: Own, make: Callable[..., Any], ours: Mapping[str, Any]) -> Any:
    """Return the result of a call with the user's arguments and those of ours that have a parameter."""
    try:
        known = signature(make).parameters.values()
        every = any(one.kind is Parameter.VAR_KEYWORD for one in known)
        names = {one.name for one in known}
        given = {name: value for name, value in ours.items() if every or name in names}
        signature(make).bind(**{**given, **own.arguments})
    except (TypeError, ValueError) as error:
        raise UserError(
            f"task.model.arguments: {own.path} cannot be called with {', '.join(own.arguments) or 'none'}: {error}; give the "
            "arguments that it has; input_shape and classes are given to it by name"
        ) from error
    try:
        return make(**{**given, **own.arguments})
    except Exception as error:
        raise UserError(
            f"task.model.path: {own.path} fails for samples of shape {ours['input_shape']} and {ours['classes']} classes: "
            f"{type(error).__name__}: {error}; mend it, or change task.model.arguments"
        ) from error


def _found(path: str) -> Callable[..., Any]:
    """Return what stands at a path."""
    place, _, name = path.partition(":")
    try:
        module = _from_file(Path(place)) if place.endswith(".py") else import_module(place)
    except Exception as error:
        raise UserError(
            f"task.model.path: cannot import {place}: {type(error).__name__}: {error}; name a file here, as in "
            '"my_nets.py:Net", or a module that can be imported'
        ) from error
    found = getattr(module, name, None)
    if not callable(found):
        names = [key for key, value in vars(module).items() if callable(value) and key[0] != "_"]
        raise UserError(
            f"task.model.path: {place} has nothing to call by the name {name}, but {', '.join(names) or 'nothing'}; name a "
            "function or a class that makes the module"
        )
    made: Callable[..., Any] = found
    return made


def _from_file(file: Path) -> ModuleType:
    """Return the module that a file holds, read now."""
    if not file.is_file():
        raise FileNotFoundError(f"there is no such file in {Path.cwd()}")
    name = f"wflsim_own_{file.stem}"
    spec = spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickling look their modules up
    spec.loader.exec_module(module)
    return module
