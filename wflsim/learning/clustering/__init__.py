"""Groups of devices that learn alike: how alike updates are, who belongs together, and a model for each group."""
