"""What happened, in columns with units; the run folder; the summary."""
