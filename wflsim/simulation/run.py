"""A whole scenario into a run folder: every variant in turn, and a manifest that says how it ended."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, partial
from hashlib import sha256
from importlib.metadata import version
from platform import python_version
from typing import Any

from wflsim import __version__
from wflsim.errors import UserError
from wflsim.interrupts import heeded
from wflsim.records.columns import ENDINGS, EVERY_TABLE, TABLES
from wflsim.records.folder import HALTED, INTERRUPTED, SUCCEEDED, RunFolder
from wflsim.records.recorder import Columns, Recorder, join
from wflsim.records.report import Report
from wflsim.records.summary import Final, finals
from wflsim.scenario.describe import PAPER, resolved
from wflsim.scenario.loading import Loaded
from wflsim.scenario.sources import sources
from wflsim.simulation.keeping import Keeper
from wflsim.simulation.loop import HaltError, Scene, Stage, stage
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
    "numba",
    "llvmlite",
)
EVERY = 10
"""Rounds between two checkpoints, unless somebody says otherwise."""

Watch = Callable[[str, int, Report], None]


@dataclass(frozen=True, eq=False)
class Reached:
    """How far a variant has come; one value, so that an interrupt finds it whole.

    Attributes:
        rounds: Rounds that were played.
        simulated_s: Simulated time at the end of the last.
        scene: All that the next round follows from; None before the first and after the last.
    """

    rounds: int = 0
    simulated_s: float = 0.0
    scene: Scene | None = None


@dataclass
class Variant:
    """What is known of a variant while the run goes on.

    Attributes:
        recorder: Its records.
        status: How it stands.
        reached: How far it has come.
        engine: How its devices are trained, in a sentence; empty where nobody trains.
        weights_sha256: Digest of the file of final weights; empty until it is written, or if nothing is trained.
        reason: Why it ended early; empty if it did not.
    """

    recorder: Recorder
    status: str = INTERRUPTED
    reached: Reached = field(default_factory=Reached)
    engine: str = ""
    weights_sha256: str = ""
    reason: str = ""

    @property
    def rounds(self) -> int:
        """Rounds that were played."""
        return self.reached.rounds

    @property
    def whole(self) -> "Variant":
        """The variant with the records of whole rounds alone, in one block."""
        rounds = self.recorder.until(self.rounds)
        return replace(self, recorder=replace(rounds, endings=self.recorder.endings))

    def account(self, final: Final | None) -> dict[str, Any]:
        """Return the variant as the manifest tells it."""
        return {
            "status": self.status,
            **({"reason": self.reason} if self.reason else {}),
            "rounds": self.rounds,
            "simulated_s": self.reached.simulated_s,
            "energy_j": float(self.recorder.table("rounds")["energy_j"].sum()),
            "final": final.metrics if final else {},
            "engine": self.engine,
            "weights_sha256": self.weights_sha256,
            "records_sha256": self.recorder.digest(),
            "events_sha256": self.recorder.events,
        }


@dataclass
class Run:
    """A run that is going on, or is over.

    Attributes:
        loaded: The scenario with its origins.
        setting: What surrounds its systems.
        folder: Where everything is written.
        draw: What draws the figures of the run, and whatever else it leaves behind, and returns name → path.
        known: What gives a variant that has been played elsewhere, its weights in this folder; None for those that have not.
        variants: Name → what is known so far.
        made: Name → path of what was drawn; empty until then.
        every: Rounds between two checkpoints; 0 for none at all.
        resumed: Where it was cut short and resumed.
    """

    loaded: Loaded
    setting: Setting
    folder: RunFolder
    draw: Callable[["Run"], Mapping[str, str]] = lambda run: {}
    known: Callable[["Run", str], Variant | None] = lambda run, name: None
    made: Mapping[str, str] = field(default_factory=dict)
    variants: dict[str, Variant] = field(default_factory=dict)
    every: int = EVERY
    resumed: list[dict[str, Any]] = field(default_factory=list)

    def resume(self) -> bool:
        """Take up what the folder's checkpoint holds; return whether there is one."""
        self.resumed = list(self.folder.told().get("resumed", []))
        self.variants = self.keeper.read()
        if not self.variants:
            return False
        for name, variant in self.variants.items():
            self._vouch(name, variant)
        *_, name = self.variants
        self.resumed.append({"variant": name, "round": self.variants[name].rounds})
        return True

    def play(self, watch: Watch) -> None:
        """Play every variant; a run that is cut short leaves what it has and says ``interrupted``, one whose variants all ended early ``halted``.

        The folder says so from the first moment on, so that even a killed process leaves the truth behind.
        """
        try:
            self._settle(INTERRUPTED)
            with heeded() as ask:

                def heard(name: str, rounds: int, report: Report) -> None:
                    watch(name, rounds, report)
                    ask()

                for name in self.loaded.scenario.systems:
                    self._variant(name, heard)
            self.made = self.draw(self)
        except BaseException as error:
            with suppress(
                UserError
            ):  # what went wrong first is told, not that it cannot be written down
                if isinstance(error, KeyboardInterrupt):
                    self._keep()
                self._save(INTERRUPTED, repr(error))
            raise
        halted = all(variant.status == HALTED for variant in self.variants.values())
        self._save(HALTED if halted else SUCCEEDED)
        self.keeper.clear()

    @cached_property
    def keeper(self) -> Keeper:
        """Who writes and reads its checkpoints."""
        return Keeper(self.loaded.scenario, self.setting, self.folder, self.every)

    def finals(self) -> dict[str, Final]:
        """Return the final metrics by variant."""
        return finals(
            {name: variant.recorder.table("rounds") for name, variant in self.variants.items()}
        )

    def tables(self) -> dict[str, dict[str, Columns]]:
        """Return variant → table → columns."""
        return {
            name: {table: variant.recorder.table(table) for table in EVERY_TABLE}
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
        """Play a variant from where it is to its end."""
        if name not in self.variants:
            self.variants[name] = self.known(self, name) or Variant(Recorder(name))
        variant = self.variants[name]
        if variant.status != INTERRUPTED:
            return
        set_up = stage(self.setting, self.loaded.scenario.systems[name])
        status, variant.engine = SUCCEEDED, set_up.learner.told
        try:
            self._rounds(set_up, name, watch)
        except HaltError as halt:
            status, variant.reason = HALTED, str(halt)
        scene = variant.reached.scene
        if scene and set_up.system.learning.trains:
            digests: list[str] = []
            save = partial(set_up.learner.write, scene.state)
            self.folder.write(weights_file(name), lambda path: digests.append(save(path)))
            (variant.weights_sha256,) = digests
            grouping = set_up.learner.grouping(scene.state)
            if grouping is not None:
                variant.recorder.end(grouping)
        variant.status = status
        variant.reached = replace(variant.reached, scene=None)
        self._keep()

    def _rounds(self, set_up: Stage, name: str, watch: Watch) -> None:
        """Play the rounds of a variant that are left."""
        variant = self.variants[name]
        scene, first = variant.reached.scene or set_up.begin(), variant.rounds
        for report, after in set_up.onward(scene, first):
            variant.recorder.add(report)
            variant.reached = Reached(report.round_ + 1, report.end_s, after)
            if self.keeper.due(variant.rounds):
                self._keep()
            watch(name, set_up.system.rounds, report)

    def _keep(self) -> None:
        """Write a checkpoint of whole rounds."""
        self.keeper.write({name: variant.whole for name, variant in self.variants.items()})

    def _vouch(self, name: str, variant: Variant) -> None:
        """Raise unless the final weights of a variant that is over are those that were written."""
        path = self.folder.path / weights_file(name)
        if variant.weights_sha256 and not (
            path.is_file() and sha256(path.read_bytes()).hexdigest() == variant.weights_sha256
        ):
            raise UserError(
                f"{path}: is not the file that the run has written; restore it, or play the run anew in another folder"
            )

    def _save(self, status: str, error: str = "") -> None:
        """Write the records, then the manifest that vouches for them."""
        for table in TABLES:
            parts = [variant.recorder.table(table) for variant in self.variants.values()]
            if parts:
                self.folder.table(table, join(parts))
        for table in ENDINGS:
            parts = [
                variant.recorder.endings[table]
                for variant in self.variants.values()
                if table in variant.recorder.endings
            ]
            if parts:
                self.folder.table(table, join(parts))
        self._settle(status, error)

    def _settle(self, status: str, error: str = "") -> None:
        account = {
            key: told for key, told in self.account().items() if key != "out"
        }  # a folder may be moved
        manifest: Mapping[str, Any] = {
            "status": status,
            **({"error": error} if error else {}),
            **account,
            "seed": self.loaded.scenario.world.seed,
            "resumed": self.resumed,
            **same(self.loaded),
        }
        self.folder.manifest(manifest)


def weights_file(variant: str) -> str:
    """Return where the final weights of a variant lie in a run folder."""
    return f"weights/{variant}.safetensors"


def same(loaded: Loaded) -> dict[str, Any]:
    """Return what must be equal for two runs to be the same: versions, the resolved scenario but for what a paper says of it, and files that it names."""
    played = {key: value for key, value in resolved(loaded).items() if key != PAPER}
    files = sources(loaded.scenario)
    return {
        "versions": dict(_versions()),
        "resolved": played,
        **({"files": files} if files else {}),
    }


@cache
def _versions() -> Mapping[str, str]:
    """Return what is installed; a sweep asks for every run."""
    found = {library: version(library) for library in LIBRARIES}
    return {"wflsim": __version__, "python": python_version(), **found}
