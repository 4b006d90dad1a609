"""TensorBoard: event files in the run folder, a curve a variant in every chart, simulated seconds as its clock."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from shutil import rmtree
from typing import Any, ClassVar

from wflsim.contracts import Followed, Note
from wflsim.trackers.missing import needed

FOLDER = "tensorboard"


@dataclass(frozen=True)
class TensorBoard:
    """Event files for TensorBoard in the run folder; `tensorboard --logdir` of it, or of a sweep, shows them.

    What was written before a run was resumed is written anew.
    """

    library: ClassVar[str] = "tensorboardX"

    @contextmanager
    def follow(self, run: Followed) -> Iterator[Note]:
        """Give what notes rounds."""
        writer_of = needed("tensorboard", "tensorboardX").SummaryWriter
        rmtree(run.folder / FOLDER, ignore_errors=True)
        writers: dict[str, Any] = {}

        def note(variant: str, round_: int, values: Mapping[str, float]) -> None:
            if variant not in writers:
                writers[variant] = writer_of(str(run.folder / FOLDER / variant))
            for name, value in values.items():
                writers[variant].add_scalar(name, value, round_, walltime=values["end_s"])

        try:
            yield note
        finally:
            for writer in writers.values():
                writer.close()
