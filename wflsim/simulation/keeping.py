"""What a run keeps so that it can go on: its variants as they stand, and a mark of the setting that they stand in."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from hashlib import sha256
from typing import Any

import numpy as np

from wflsim.errors import UserError
from wflsim.records import checkpoint
from wflsim.records.encoding import ROOMS, Coder
from wflsim.records.folder import RunFolder
from wflsim.scenario.schema import Scenario
from wflsim.scenario.sources import parts
from wflsim.simulation.setting import Setting


@dataclass(frozen=True)
class Keeper:
    """Who writes and reads the checkpoints of a run.

    Attributes:
        scenario: What is played.
        setting: What surrounds its systems; it is made anew from the seed and never stored.
        folder: Where the run is written.
        every: Rounds between two checkpoints; 0 for none at all.
    """

    scenario: Scenario
    setting: Setting
    folder: RunFolder
    every: int

    def due(self, rounds: int) -> bool:
        """Return whether a checkpoint is due after so many rounds: the first, which shows early whether it can be, too."""
        return self.every > 0 and (rounds == 1 or rounds % self.every == 0)

    def write(self, variants: Mapping[str, Any]) -> None:
        """Write a checkpoint, unless there are to be none."""
        if self.every:
            kept = {"setting": self._mark, "variants": variants}
            checkpoint.write(self.folder.path, self._coder.pack(kept))

    def read(self) -> dict[str, Any]:
        """Return the variants of the folder's checkpoint; none where there is none."""
        if not checkpoint.exists(self.folder.path):
            return {}
        kept: Any = checkpoint.read(self.folder.path, self._coder)
        if kept["setting"] != self._mark:
            raise UserError(
                f"--out {self.folder.path}: a file that the scenario names (data, model, trace, positions) has changed since "
                "the run was cut short; restore it, or name another folder"
            )
        variants: dict[str, Any] = kept["variants"]
        return variants

    def clear(self) -> None:
        """Remove what is not needed once the run is over."""
        checkpoint.clear(self.folder.path)

    @cached_property
    def _coder(self) -> Coder:
        """The coder that leaves out what surrounds the systems; what has not changed since the beginning is part of it."""
        setting = self.setting
        given = {
            "fleet": setting.world.fleet,
            "streams": setting.streams,
            "devices": setting.devices,
            "holdings": setting.holdings,
        }
        for name, of in (("channel", setting.channel), ("life", setting.life)):
            given |= {f"{name}.{f.name}": getattr(of, f.name) for f in fields(of)}
        return Coder(given, self._rooms)

    @cached_property
    def _mark(self) -> str:
        """The digest of the setting: of the fleet, the data, who holds what, the model's layers and a user's own code."""
        setting = self.setting
        held = setting.holdings
        learnt = any(system.learning.trains for system in self.scenario.systems.values())
        samples = sha256(np.ascontiguousarray(held.data.inputs).data).hexdigest() if learnt else ""
        code = getattr(setting.world.task.model, "source_sha256", "")
        layers = repr(held.anatomy.layers)
        parts = (samples, held.data.labels, held.train, held.validation, held.test, layers, code)
        return (
            Coder(rooms=self._rooms)
            .pack((setting.life, setting.channel, setting.devices, parts))
            .digest
        )

    @property
    def _rooms(self) -> frozenset[str]:
        """Ours, and the packages of the components that the scenario uses."""
        return ROOMS | {type(part).__module__.partition(".")[0] for part in parts(self.scenario)}
