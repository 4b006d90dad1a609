"""Masks that devices find for themselves: when they are changed, what of them travels, what is fused."""
