"""What the networks of 3GPP's calibration are called."""

from collections.abc import Mapping

NETWORKS: Mapping[str, str] = {"umi": "street canyon", "uma": "urban macro", "inh": "indoor office"}
