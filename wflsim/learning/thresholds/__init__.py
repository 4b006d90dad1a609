"""Thresholds of output units: which units stay, how thresholds are learnt, and what moves with them."""
