"""Exploring the loss before learning together: how far weights move, which go for it, and what is left of a model."""
