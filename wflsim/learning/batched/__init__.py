"""K networks at once: every layer of K devices is one batched operation, forward and backward."""

from wflsim.learning.batched.foreign import Foreign
from wflsim.learning.batched.moment import Moment
from wflsim.learning.batched.network import Network, network
from wflsim.learning.batched.sinks import InPlace, Sink, Slopes
from wflsim.learning.batched.training import train

__all__ = ["Foreign", "InPlace", "Moment", "Network", "Sink", "Slopes", "network", "train"]
