"""Slimming: channels that the scales of batch norms speak for, pooled among devices that are alike, and thin models without the others."""
