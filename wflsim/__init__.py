"""wflsim plays federated learning and the radio network that carries it, side by side."""

__version__ = "0.1.0"
