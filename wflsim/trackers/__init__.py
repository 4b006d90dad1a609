"""Runs followed while they are played, in the tools with which a group looks at its experiments."""
