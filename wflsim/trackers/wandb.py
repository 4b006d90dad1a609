"""Weights & Biases: a run for every variant, kept in the run folder until `wandb sync` sends it, unless WANDB_MODE says otherwise."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

from wflsim.contracts import Followed, Note
from wflsim.trackers.missing import needed


@dataclass(frozen=True)
class WeightsAndBiases:
    """Runs of Weights & Biases, one for each variant, grouped by scenario; offline, in the run folder, unless WANDB_MODE says otherwise.

    A run that is resumed is told from its first round, as a run of its own.

    Attributes:
        project: The project that they belong to; WANDB_PROJECT goes before.
    """

    library: ClassVar[str] = "wandb"

    project: str = "wflsim"

    @contextmanager
    def follow(self, run: Followed) -> Iterator[Note]:
        """Give what notes rounds."""
        wandb = needed("wandb", "wandb")
        parts: dict[str, Any] = {}

        def note(variant: str, round_: int, values: Mapping[str, float]) -> None:
            if variant not in parts:
                parts[variant] = wandb.init(
                    project=os.environ.get("WANDB_PROJECT", self.project),
                    name=f"{run.name}-{variant}",
                    group=run.group,
                    config={**run.settings, "variant": variant},
                    dir=str(run.folder),
                    mode=os.environ.get("WANDB_MODE", "offline"),
                    reinit="create_new",
                    settings=wandb.Settings(silent=True, console="off"),
                )
            parts[variant].log(dict(values), step=round_)

        code = 1
        try:
            yield note
            code = 0
        finally:
            for made in parts.values():
                made.finish(exit_code=code)
