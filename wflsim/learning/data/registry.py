"""The data sets that come as files, by their kinds."""

from collections.abc import Mapping

from wflsim.learning.data.cifar import CIFAR10, CIFAR100
from wflsim.learning.data.files import Published
from wflsim.learning.data.mnist import FASHION_MNIST, MNIST
from wflsim.learning.data.uci_har import UCI_HAR
from wflsim.learning.data.wisdm import WISDM, WISDM_RAW

SETS: Mapping[str, Published] = {
    found.name: found
    for found in (MNIST, FASHION_MNIST, CIFAR10, CIFAR100, UCI_HAR, WISDM, WISDM_RAW)
}
