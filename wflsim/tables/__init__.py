"""Tables as papers print them: what came out, and what was played."""
