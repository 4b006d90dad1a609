"""A whole scenario into a run folder: every variant in turn, and a manifest that says how it ended."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.metadata import version
from platform import python_version
from typing import Any

from wflsim import __version__
from wflsim.records.columns import TABLES
from wflsim.records.folder import HALTED, INTERRUPTED, SUCCEEDED, RunFolder
from wflsim.records.recorder import Columns, Recorder, join
from wflsim.records.report import Report
from wflsim.records.summary import Final, finals
from wflsim.scenario.describe import resolved
from wflsim.scenario.loading import Loaded
from wflsim.simulation.loop import HaltError, stage
from wflsim.simulation.setting import Setting

LIBRARIES = (
    "torch",
    "numpy",
    "scipy",
    "cvxpy",
    "clarabel",
    "simpy",
    "pandas",
    "pyarrow",
    "scikit-learn",
)
Watch = Callable[[str, int, Report], None]


@dataclass
class Variant:
    """What is known of a variant while the run goes on.

    Attributes:
        recorder: Its records.
        status: How it stands.
        rounds: Rounds that were played.
        simulated_s: Simulated time at the end of the last.
        weights_sha256: Digest of the file of final weights; empty until it is written, or if nothing is trained.
        reason: Why it ended early; empty if it did not.
    """

    recorder: Recorder
    status: str = INTERRUPTED
    rounds: int = 0
    simulated_s: float = 0.0
    weights_sha256: str = ""
    reason: str = ""

    def account(self, final: Final | None) -> dict[str, Any]:
        """Return the variant as the manifest tells it."""
        return {
            "status": self.status,
            **({"reason": self.reason} if self.reason else {}),
            "rounds": self.rounds,
            "simulated_s": self.simulated_s,
            "energy_j": float(self.recorder.table("rounds")["energy_j"].sum()),
            "final": final.metrics if final else {},
            "weights_sha256": self.weights_sha256,
            "records_sha256": self.recorder.digest(),
            "events_sha256": self.recorder.log.hexdigest(),
        }


@dataclass
class Run:
    """A run that is going on, or is over.

    Attributes:
        loaded: The scenario with its origins.
        setting: What surrounds its systems.
        folder: Where everything is written.
        draw: What draws the figures of the run, and whatever else it leaves behind, and returns name → path.
        variants: Name → what is known so far.
        made: Name → path of what was drawn; empty until then.
    """

    loaded: Loaded
    setting: Setting
    folder: RunFolder
    draw: Callable[["Run"], Mapping[str, str]] = lambda run: {}
    made: Mapping[str, str] = field(default_factory=dict)
    variants: dict[str, Variant] = field(default_factory=dict)

    def play(self, watch: Watch) -> None:
        """Play every variant; a run that is cut short leaves what it has and says ``interrupted``, one whose variants all ended early ``halted``.

        The folder says so from the first moment on, so that even a killed process leaves the truth behind.
        """
        self._settle(INTERRUPTED)
        try:
            for name in self.loaded.scenario.systems:
                self._variant(name, watch)
            self.made = self.draw(self)
        except BaseException as error:
            self._save(INTERRUPTED, repr(error))
            raise
        halted = all(variant.status == HALTED for variant in self.variants.values())
        self._save(HALTED if halted else SUCCEEDED)

    def finals(self) -> dict[str, Final]:
        """Return the final metrics by variant."""
        return finals(
            {name: variant.recorder.table("rounds") for name, variant in self.variants.items()}
        )

    def tables(self) -> dict[str, dict[str, Columns]]:
        """Return variant → table → columns."""
        return {
            name: {table: variant.recorder.table(table) for table in TABLES}
            for name, variant in self.variants.items()
        }

    def account(self) -> dict[str, Any]:
        """Return the run as one object: scenario, folder, and every variant."""
        final = self.finals()
        variants = {
            name: variant.account(final.get(name)) for name, variant in self.variants.items()
        }
        return {
            "scenario": self.loaded.scenario.world.name,
            "out": str(self.folder.path),
            "figure": self.made.get("overview", ""),
            "made": dict(self.made),
            "variants": variants,
        }

    def _variant(self, name: str, watch: Watch) -> None:
        system = self.loaded.scenario.systems[name]
        variant = self.variants[name] = Variant(Recorder(name))
        state: Any = None
        set_up = stage(self.setting, system)
        status = SUCCEEDED
        try:
            for report in set_up.rounds():
                variant.recorder.add(report)
                variant.rounds, variant.simulated_s = report.round_ + 1, report.end_s
                state = report.state
                watch(name, system.rounds, report)
        except HaltError as halt:
            status, variant.reason = HALTED, str(halt)
        weights = set_up.learner.weights(state)
        if weights:
            self.folder.write(f"weights/{name}.safetensors", lambda path: path.write_bytes(weights))
            variant.weights_sha256 = sha256(weights).hexdigest()
        variant.status = status

    def _save(self, status: str, error: str = "") -> None:
        """Write the records, then the manifest that vouches for them."""
        for table in TABLES:
            parts = [variant.recorder.table(table) for variant in self.variants.values()]
            if parts:
                self.folder.table(table, join(parts))
        self._settle(status, error)

    def _settle(self, status: str, error: str = "") -> None:
        versions = {"wflsim": __version__, "python": python_version()}
        versions |= {library: version(library) for library in LIBRARIES}
        manifest: Mapping[str, Any] = {
            "status": status,
            **({"error": error} if error else {}),
            **self.account(),
            "seed": self.loaded.scenario.world.seed,
            "versions": versions,
            "resolved": resolved(self.loaded),
        }
        self.folder.manifest(manifest)
