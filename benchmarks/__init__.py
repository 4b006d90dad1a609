"""Benchmarks as commands: `python -m benchmarks` lists them; speed is told as ratios of one run."""
