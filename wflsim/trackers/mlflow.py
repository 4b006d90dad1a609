"""MLflow: a run of its own for every variant, below one for the whole, where MLFLOW_TRACKING_URI says."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

from wflsim.contracts import Followed, Note
from wflsim.trackers.missing import needed

EXPERIMENT = "wflsim"
PARENT = "mlflow.parentRunId"
_MOST = 100  # parameters that a server takes at once
_LONGEST = 6000  # letters of one of them
_FOREIGN = re.compile(r"[^\w\-. :/]")  # what no name may have


@dataclass(frozen=True)
class MlFlow:
    """Runs of MLflow, a parent for the run and a child for each variant, on MLFLOW_TRACKING_URI or where MLflow keeps them by itself.

    A run that is resumed is told from its first round, as a run of its own.

    Attributes:
        experiment: The experiment that they belong to.
    """

    library: ClassVar[str] = "mlflow"

    experiment: str = EXPERIMENT

    @contextmanager
    def follow(self, run: Followed) -> Iterator[Note]:
        """Give what notes rounds."""
        client = needed("mlflow", "mlflow").MlflowClient()
        entities = needed("mlflow", "mlflow.entities")
        found = client.get_experiment_by_name(self.experiment)
        experiment = found.experiment_id if found else client.create_experiment(self.experiment)
        whole = client.create_run(experiment, run_name=run.name, tags={"folder": str(run.folder)})
        parts: dict[str, Any] = {}
        params = [
            entities.Param(_FOREIGN.sub("_", key), str(value)[:_LONGEST])
            for key, value in run.settings.items()
        ]

        def note(variant: str, round_: int, values: Mapping[str, float]) -> None:
            if variant not in parts:
                tags = {PARENT: whole.info.run_id}
                parts[variant] = client.create_run(experiment, run_name=variant, tags=tags)
            at_ms = round(values["end_s"] * 1e3)
            metrics = [entities.Metric(name, v, at_ms, round_) for name, v in values.items()]
            client.log_batch(parts[variant].info.run_id, metrics=metrics)

        status = "KILLED"
        try:
            for first in range(0, len(params), _MOST):
                client.log_batch(whole.info.run_id, params=params[first : first + _MOST])
            yield note
            status = "FINISHED"
        finally:
            for made in (*parts.values(), whole):
                client.set_terminated(made.info.run_id, status)
