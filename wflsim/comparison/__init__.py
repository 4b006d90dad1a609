"""Two systems side by side: how they differ, by how much, and why."""
