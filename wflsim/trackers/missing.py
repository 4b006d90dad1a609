"""Libraries of trackers, which nobody needs who does not follow runs."""

from importlib import import_module
from typing import Any

from wflsim.errors import UserError


def needed(tracker: str, module: str) -> Any:
    """Return a library; a mistake where it is not installed."""
    try:
        return import_module(module)
    except ImportError as error:
        raise not_installed(tracker, error.name or module) from error


def not_installed(tracker: str, library: str) -> UserError:
    """Return what to tell where a library is not installed."""
    return UserError(
        f"--track {tracker}: {library} is not installed; pip install 'wflsim[{tracker}]'"
    )
