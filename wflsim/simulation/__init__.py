"""Where the rooms meet: sense, plan, allocate, play, train, fuse, evaluate."""
