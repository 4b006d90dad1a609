"""Which kinds every family of components has: ours by a table, those of others by entry points."""

import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, distributions
from inspect import getdoc
from typing import Any, get_args, get_origin, get_type_hints

import channel_models.catalog
import optimizers.catalog
from channel_models.large_scale.path_loss import PathLoss
from channel_models.large_scale.shadowing import Shadowing
from channel_models.layouts.mobility import Mobility
from channel_models.layouts.placements import Placement
from channel_models.layouts.sites import Layout
from channel_models.rates.block_errors import BlockErrors
from channel_models.rates.estimation import Estimation
from channel_models.rates.interference import Interference
from channel_models.rates.links import Link
from channel_models.small_scale.correlation import Correlation
from channel_models.small_scale.doppler import Doppler
from channel_models.small_scale.elements import Element
from channel_models.small_scale.fading import Fading
from optimizers.allocator import Allocator
from optimizers.selection.candidates import Selection
from wflsim.contracts import (
    Access,
    Algorithm,
    Availability,
    Background,
    Backhaul,
    Battery,
    Claim,
    Clustering,
    Compute,
    Data,
    Deadline,
    Electronics,
    EnergyBudget,
    Engine,
    Grant,
    Lateness,
    Learning,
    Model,
    Paging,
    Partition,
    Policy,
    Slowness,
    Uplink,
)
from wflsim.errors import UserError

KINDS: Mapping[str, Mapping[str, str]] = {
    **channel_models.catalog.KINDS,
    **optimizers.catalog.KINDS,
    "access": {
        "ideal": "wflsim.network.procedures.access:Connected",
        "random": "wflsim.network.procedures.access:WhenIdle",
    },
    "availability": {
        "always": "wflsim.world.availability.schedules:Always",
        "markov": "wflsim.world.availability.markov:Markov",
        "diurnal": "wflsim.world.availability.schedules:Diurnal",
        "churn": "wflsim.world.availability.schedules:Churn",
        "trace": "wflsim.world.availability.traces:Trace",
    },
    "background": {
        "none": "wflsim.network.procedures.background:Silent",
        "poisson": "wflsim.network.procedures.background:Poisson",
    },
    "backhaul": {
        "wired": "wflsim.network.backhaul:Wired",
        "wireless": "wflsim.network.backhaul:Wireless",
    },
    "battery": {
        "mains": "wflsim.world.batteries:Mains",
        "battery": "wflsim.world.batteries:Rechargeable",
    },
    "claim": {
        "accuracy_gap": "wflsim.claims.accuracy:AccuracyGap",
        "accuracy_at_time": "wflsim.claims.accuracy:AccuracyAtTime",
        "sum_to_accuracy": "wflsim.claims.ratios:SumToAccuracy",
        "time_to_accuracy": "wflsim.claims.ratios:TimeToAccuracy",
        "time_ratio": "wflsim.claims.ratios:TimeRatio",
        "sum_ratio": "wflsim.claims.ratios:SumRatio",
        "column_gap": "wflsim.claims.columns:ColumnGap",
        "kept_within": "wflsim.claims.columns:KeptWithin",
        "bound_above": "wflsim.claims.bounds:BoundAbove",
        "break_even": "wflsim.claims.break_even:BreakEven",
        "not_comparable": "wflsim.claims.silent:NotComparable",
    },
    "clustering": {
        "agglomerative": "wflsim.learning.clustering.rules:Agglomerative",
        "kmeans": "wflsim.learning.clustering.rules:KMeans",
        "spectral": "wflsim.learning.clustering.rules:Spectral",
        "silhouette": "wflsim.learning.clustering.rules:BySilhouette",
    },
    "compute": {
        "kappa": "wflsim.world.compute:Kappa",
        "cmos": "wflsim.world.compute:Cmos",
        "table": "wflsim.world.compute:Table",
    },
    "deadline": {
        "none": "wflsim.world.deadlines:NoDeadline",
        "fixed": "wflsim.world.deadlines:Fixed",
        "relative": "wflsim.world.deadlines:Relative",
        "load_factor": "wflsim.world.deadlines:LoadFactor",
    },
    "electronics": {
        "ideal": "wflsim.world.electronics:Ideal",
        "handset": "wflsim.world.electronics:Handset",
    },
    "energy_budget": {
        "none": "wflsim.world.budgets:NoBudget",
        "per_round": "wflsim.world.budgets:PerRound",
        "relative": "wflsim.world.budgets:ShareOfFree",
        "long_term": "wflsim.world.budgets:LongTerm",
    },
    "grant": {
        "ideal": "wflsim.network.procedures.grant:Immediate",
        "request": "wflsim.network.procedures.grant:Request",
    },
    "lateness": {
        "dropped": "wflsim.network.lateness:Dropped",
        "kept": "wflsim.network.lateness:Kept",
        "aged": "wflsim.network.lateness:Aged",
    },
    "learning": {
        "train": "wflsim.learning.modes:Training",
        "none": "wflsim.learning.modes:Nothing",
        "surrogate": "wflsim.learning.surrogate:Surrogate",
    },
    "paging": {
        "ideal": "wflsim.network.procedures.paging:Immediate",
        "cycle": "wflsim.network.procedures.paging:Cycle",
    },
    "policy": {
        "wait_for_all": "wflsim.network.policies:WaitForAll",
        "deadline": "wflsim.network.policies:AtDeadline",
        "first": "wflsim.network.policies:FirstOf",
        "buffered": "wflsim.network.policies:Buffered",
        "period": "wflsim.network.policies:Period",
        "tiers": "wflsim.network.policies:Tiers",
        "hierarchical": "wflsim.network.policies:Hierarchical",
    },
    "slowness": {
        "none": "wflsim.world.slowness:Punctual",
        "log_normal": "wflsim.world.slowness:LogNormal",
        "pareto": "wflsim.world.slowness:Pareto",
    },
    "uplink": {
        "ideal": "wflsim.network.procedures.uplink:Whole",
        "packet": "wflsim.network.procedures.uplink:Packet",
        "nr": "wflsim.network.procedures.uplink:Slots",
    },
    "data": {
        "digits": "wflsim.learning.data.digits:Digits",
        "blank": "wflsim.learning.data.blank:Blank",
        "mnist": "wflsim.learning.data.mnist:Mnist",
        "fashion_mnist": "wflsim.learning.data.mnist:FashionMnist",
        "cifar10": "wflsim.learning.data.cifar:Cifar10",
        "cifar100": "wflsim.learning.data.cifar:Cifar100",
        "uci_har": "wflsim.learning.data.uci_har:UciHar",
        "wisdm": "wflsim.learning.data.wisdm:Wisdm",
        "wisdm_raw": "wflsim.learning.data.wisdm:WisdmRaw",
        "gaussian": "wflsim.learning.data.synthetic:Gaussian",
        "synthetic": "wflsim.learning.data.synthetic:Synthetic",
        "npz": "wflsim.learning.data.npz:Npz",
    },
    "partition": {
        "iid": "wflsim.learning.partitions.alike:Iid",
        "quantity": "wflsim.learning.partitions.alike:Quantity",
        "classes": "wflsim.learning.partitions.labels:Classes",
        "shards": "wflsim.learning.partitions.labels:Shards",
        "dirichlet": "wflsim.learning.partitions.labels:Dirichlet",
        "label_groups": "wflsim.learning.partitions.label_groups:LabelGroups",
        "users": "wflsim.learning.partitions.users:Users",
        "rotated": "wflsim.learning.partitions.clusters:Rotated",
        "permuted": "wflsim.learning.partitions.clusters:Permuted",
        "feature_shift": "wflsim.learning.partitions.features:FeatureShift",
        "spatial": "wflsim.learning.partitions.places:Spatial",
    },
    "model": {
        "mlp": "wflsim.learning.models.mlp:Mlp",
        "logistic": "wflsim.learning.models.mlp:Logistic",
        "lenet5": "wflsim.learning.models.convolutional:LeNet5",
        "fedavg_cnn": "wflsim.learning.models.convolutional:FedAvgCnn",
        "small_cnn": "wflsim.learning.models.convolutional:SmallCnn",
        "conv4": "wflsim.learning.models.stacks:Conv4",
        "minivgg": "wflsim.learning.models.stacks:MiniVgg",
        "resnet": "wflsim.learning.models.residual:ResNet",
        "vit": "wflsim.learning.models.transformer:Vit",
        "sensor_cnn": "wflsim.learning.models.series:SensorCnn",
        "sensor_lstm": "wflsim.learning.models.series:SensorLstm",
        "own": "wflsim.learning.models.own:Own",
    },
    "engine": {
        "auto": "wflsim.learning.engines:Auto",
        "batched": "wflsim.learning.engines:Batched",
        "loop": "wflsim.learning.engines:Loop",
        "native": "wflsim.learning.engines:Native",
        "processes": "wflsim.learning.engines:Processes",
        "ray": "wflsim.learning.engines:Ray",
    },
    "algorithm": {
        "japp": "wflsim.learning.algorithms.japp:Japp",
        "hierarchical_pruning": "wflsim.learning.algorithms.hierarchical_pruning:HierarchicalPruning",
        "prunefl": "wflsim.learning.algorithms.prunefl:PruneFl",
        "fedalt": "wflsim.learning.algorithms.fedalt:FedAlt",
        "fedsim": "wflsim.learning.algorithms.fedsim:FedSim",
        "fedper": "wflsim.learning.algorithms.fedper:FedPer",
        "fedrep": "wflsim.learning.algorithms.fedrep:FedRep",
        "lg_fedavg": "wflsim.learning.algorithms.lg_fedavg:LgFedAvg",
        "spafl": "wflsim.learning.algorithms.spafl:SpaFl",
        "ditto": "wflsim.learning.algorithms.ditto:Ditto",
        "fedavg": "wflsim.learning.algorithms.fedavg:FedAvg",
        "fedbn": "wflsim.learning.algorithms.fedbn:FedBn",
        "hermes": "wflsim.learning.algorithms.hermes:Hermes",
        "lottery_fl": "wflsim.learning.algorithms.lottery_fl:LotteryFl",
        "sub_fedavg": "wflsim.learning.algorithms.sub_fedavg:SubFedAvg",
        "fedprox": "wflsim.learning.algorithms.fedprox:FedProx",
        "heterofl": "wflsim.learning.algorithms.heterofl:HeteroFl",
        "fjord": "wflsim.learning.algorithms.fjord:Fjord",
        "fedspa": "wflsim.learning.algorithms.fedspa:FedSpa",
        "fedavgm": "wflsim.learning.algorithms.fedavgm:FedAvgM",
        "autoflip": "wflsim.learning.algorithms.autoflip:AutoFlip",
        "fedpm": "wflsim.learning.algorithms.fedpm:FedPm",
        "qsgd": "wflsim.learning.algorithms.qsgd:Qsgd",
        "topk": "wflsim.learning.algorithms.topk:Topk",
        "random_pruning": "wflsim.learning.algorithms.random_pruning:RandomPruning",
        "local_only": "wflsim.learning.algorithms.local_only:LocalOnly",
        "safl": "wflsim.learning.algorithms.safl:Safl",
        "fedp3": "wflsim.learning.algorithms.fedp3:FedP3",
        "pfedgate": "wflsim.learning.algorithms.pfedgate:PFedGate",
        "ca_afp": "wflsim.learning.algorithms.ca_afp:CaAfp",
        "efficient_fl": "wflsim.learning.algorithms.efficient_fl:EfficientFl",
        "fedsnip": "wflsim.learning.algorithms.fedsnip:FedSnip",
        "fedchar": "wflsim.learning.algorithms.fedchar:FedChar",
        "clusterfl": "wflsim.learning.algorithms.clusterfl:ClusterFl",
        "ifca": "wflsim.learning.algorithms.ifca:Ifca",
        "workload": "wflsim.learning.algorithms.workload:Workload",
    },
}

FAMILY_OF: Mapping[type, str] = {
    Access: "access",
    Algorithm: "algorithm",
    Allocator: "allocator",
    Availability: "availability",
    Background: "background",
    Backhaul: "backhaul",
    Battery: "battery",
    BlockErrors: "block_errors",
    Claim: "claim",
    Clustering: "clustering",
    Compute: "compute",
    Correlation: "correlation",
    Data: "data",
    Deadline: "deadline",
    Doppler: "doppler",
    Electronics: "electronics",
    Element: "element",
    EnergyBudget: "energy_budget",
    Engine: "engine",
    Estimation: "estimation",
    Fading: "fading",
    Grant: "grant",
    Interference: "interference",
    Lateness: "lateness",
    Layout: "layout",
    Learning: "learning",
    Link: "link",
    Mobility: "mobility",
    Model: "model",
    Paging: "paging",
    Partition: "partition",
    PathLoss: "path_loss",
    Placement: "placement",
    Policy: "policy",
    Selection: "selection",
    Shadowing: "shadowing",
    Slowness: "slowness",
    Uplink: "uplink",
}


class PluginError(UserError):
    """A third-party component that cannot be used; the sentence names the package and the remedy."""


@dataclass(frozen=True)
class Field:
    """One field of a component, as help and as documentation.

    Attributes:
        name: Key in the scenario.
        hint: Its type, with bounds.
        default: Its default, or ``dataclasses.MISSING``.
        meaning: The sentence of the class docstring that speaks of it.
    """

    name: str
    hint: Any
    default: Any
    meaning: str


@cache
def kinds(family: str) -> Mapping[str, str]:
    """Return kind → "module:Class" of a family, those of installed plug-ins included.

    A plug-in adds a name and never replaces one.
    """
    table = dict(KINDS[family])
    for point in (point for point in _plugins() if point.group == f"wflsim.{family}"):
        if point.name in table and table[point.name] != point.value:
            package = point.dist.name if point.dist else point.value
            raise PluginError(
                f"plug-in {package} adds {family} '{point.name}', a name that is taken by {table[point.name]}; "
                "rename it in the plug-in's entry points"
            )
        table[point.name] = point.value
    return dict(sorted(table.items()))


@cache
def _plugins() -> tuple[EntryPoint, ...]:
    """Return the entry points of all installed packages that are ours; the packages are gone through once."""
    return tuple(
        point
        for found in distributions()
        for point in found.entry_points
        if point.group.startswith("wflsim.")
    )


@cache
def component(family: str, kind: str) -> type:
    """Return the class of a kind."""
    target = kinds(family)[kind]
    module, _, name = target.partition(":")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise PluginError(
            f"{family} '{kind}' ({target}) cannot be loaded: {error}; reinstall its package"
        ) from error
    if not (isinstance(found, type) and is_dataclass(found)):
        raise PluginError(
            f"{family} '{kind}' ({target}) is not a dataclass; decorate it with @dataclass(frozen=True)"
        )
    return found


def family_of(hint: Any) -> str | None:
    """Return the family that a field's type stands for, if it is one of our protocols."""
    return FAMILY_OF.get(hint) if isinstance(hint, type) else None


def items_of(hint: Any) -> str | None:
    """Return the family that the items of a field belong to, if it is a tuple of components."""
    return family_of(get_args(hint)[0]) if get_origin(hint) is tuple else None


def kind_of(family: str, value: object) -> str:
    """Return the kind whose class made a value."""
    target = f"{type(value).__module__}:{type(value).__qualname__}"
    named = {found: kind for kind, found in kinds(family).items()}
    if target in named:
        return named[target]
    return next(kind for kind in kinds(family) if component(family, kind) is type(value))


def fields_of(cls: type) -> list[Field]:
    """Return the fields of a component or section, in order, with the meaning from the class docstring."""
    hints = get_type_hints(cls, include_extras=True)
    meanings = _meanings(getdoc(cls) or "")
    return [
        Field(f.name, hints[f.name], _default(f), meanings.get(f.name, ""))
        for f in fields(cls)
        if f.init
    ]


def summary(cls: type) -> str:
    """Return the first sentence of a class's docstring."""
    return (getdoc(cls) or "").split("\n\n")[0].replace("\n", " ")


def _default(found: Any) -> Any:
    return found.default_factory() if found.default_factory is not MISSING else found.default


def _meanings(doc: str) -> dict[str, str]:
    """Return field → sentence from the "Attributes:" section of a Google-style docstring."""
    _, _, section = doc.partition("Attributes:\n")
    entries = re.findall(
        r"^ {4}(\w+)(?: \([^)]*\))?: (.*(?:\n {6,}.*)*)", section.split("\n\n")[0], re.MULTILINE
    )
    return {name: re.sub(r"\s+", " ", text).strip() for name, text in entries}
