"""Parts of a model that a device holds: first units, sparse weights, some layers, chosen blocks."""
