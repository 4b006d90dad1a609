"""Sionna as an optional backend: its link-level and cluster channels and its tables of block errors.

Sionna is NVIDIA's PyTorch library of the physical layer; ``pip install 'wflsim[sionna]'`` brings it. All calls to it
and to torch stand in ``door``, which imports them late: importing this package imports neither.
"""
