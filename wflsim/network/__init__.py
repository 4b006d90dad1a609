"""The discrete-event network: a round in integer nanoseconds."""
