"""What can be refused before anything is played: claims about variants and columns that there are not."""

from collections.abc import Iterator

from wflsim.contracts import Claim, Named
from wflsim.errors import Mistake, ScenarioError, UserError
from wflsim.records.columns import TABLES
from wflsim.scenario.document import Tree
from wflsim.scenario.loading import Loaded
from wflsim.scenario.remedies import did_you_mean

HELP = "title, source, compares and claims (docs/reproducing.md)"


def refuse(loaded: Loaded) -> None:
    """Raise when a scenario has no claims, or claims that name what is not there."""
    if not loaded.scenario.world.paper.claims:
        raise UserError(
            f"{loaded.scenario.world.name}: says nothing that could be judged; give it a section `paper:` with {HELP}, "
            "or play it with `wflsim run`"
        )
    examine(loaded)


def examine(loaded: Loaded) -> None:
    """Raise when claims name what is not there."""
    claims, tree = loaded.scenario.world.paper.claims, loaded.world.find("paper.claims")
    pairs = zip(claims, tree.value if claims else (), strict=True)
    mistakes = [found for claim, child in pairs for found in _mistakes(claim, child, loaded)]
    if mistakes:
        raise ScenarioError(mistakes)


def _mistakes(claim: Claim, tree: Tree, loaded: Loaded) -> Iterator[Mistake]:
    """Yield a mistake for every name that a claim needs and that is not there."""
    for need in claim.needs:
        known = _known(need, loaded)
        if need.name not in known:
            variant = need.room == "variants"
            what = f"'{need.name}' is {'no variant' if variant else f'no number in the table of {need.room}'}"
            remedy = did_you_mean(need.name, known, "variants" if variant else "columns")
            yield tree.find(need.key).mistake(what, remedy)


def _known(need: Named, loaded: Loaded) -> list[str]:
    """Return the names that a claim may need there: variants, or columns of numbers."""
    if need.room == "variants":
        return list(loaded.scenario.systems)
    return [column.name for column in TABLES[need.room] if column.type != "str"]
