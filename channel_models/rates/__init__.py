"""Rates: what gains carry, from receivers and interference to bits, errors and repeats."""
