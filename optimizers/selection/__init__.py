"""Rules for who takes part in a round."""

from optimizers.selection.candidates import Candidates, Selection
from optimizers.selection.testing import check_selection

__all__ = ["Candidates", "Selection", "check_selection"]
