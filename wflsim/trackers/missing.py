"""Libraries of trackers, which nobody needs who does not follow runs."""

from importlib import import_module
from typing import Any

from wflsim.errors import UserError


def needed(tracker: str, module: str) -> Any:
    """Return a library; a mistake where it is not installed."""
    try:
        return import_module(module)
    except ImportError as error:
        raise UserError(
            f"--track {tracker}: {error.name or module} is not installed; pip install 'wflsim[{tracker}]'"
        ) from error
