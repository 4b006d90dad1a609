"""When devices can be reached: always, by day, by chance, for a while, or as a file says."""
