"""Network architectures, described without torch."""

from wflsim.learning.models.convolutional import FedAvgCnn, LeNet5, SmallCnn
from wflsim.learning.models.mlp import Logistic, Mlp
from wflsim.learning.models.own import Own
from wflsim.learning.models.residual import ResNet
from wflsim.learning.models.series import SensorCnn, SensorLstm
from wflsim.learning.models.stacks import Conv4, MiniVgg
from wflsim.learning.models.transformer import Vit

__all__ = [
    "Conv4",
    "FedAvgCnn",
    "LeNet5",
    "Logistic",
    "MiniVgg",
    "Mlp",
    "Own",
    "ResNet",
    "SensorCnn",
    "SensorLstm",
    "SmallCnn",
    "Vit",
]
