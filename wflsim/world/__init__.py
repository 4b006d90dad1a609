"""The world: devices as columns, how fast they compute, how long a round may last."""
