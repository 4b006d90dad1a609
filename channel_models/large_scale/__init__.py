"""Large scale: what distance, walls and obstacles take from a link, and how that varies over the ground."""
