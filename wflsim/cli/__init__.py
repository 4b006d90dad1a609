"""The command line: thin, and late with every import."""
