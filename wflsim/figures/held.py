"""The figure of what lay on the devices of a run: its partition, made again from its scenario."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from wflsim.errors import UserError
from wflsim.figures import partition
from wflsim.figures.layout import Wanted
from wflsim.figures.scenes import scene
from wflsim.learning.partitions.skew import Census, census
from wflsim.results import Played
from wflsim.simulation.setting import Setting, settle


def draw(one: Played, wanted: Wanted, variants: Sequence[str]) -> Figure:
    """Return the figure of a run; its variants learn from the same data."""
    setting = resettled(one)
    site_m = setting.world.channel.layout.sites().site_m
    return partition.draw("", held(setting), setting.devices.position_m, wanted, site_m)


def resettled(one: Played) -> Setting:
    """Return the setting of a run, drawn anew from its seed; a mistake where its data are not here."""
    loaded = scene(one)
    try:
        return settle(loaded.scenario.world, loaded.blaming)
    except UserError as error:
        raise UserError(
            f"{one.folder.path}: what lay on its devices is drawn from its data set, which cannot be read here: {error}"
        ) from error


def held(setting: Setting) -> Census:
    """Return what lies on the devices, counted."""
    of = setting.holdings
    return census(
        of.data.labels,
        (of.train, of.validation, of.test),
        setting.world.task.data.classes,
        of.clusters,
    )
