"""Other questions than least pruning by a deadline: time, energy and fairness as what is weighed."""
