"""What is learned and how: the only room that knows torch."""
