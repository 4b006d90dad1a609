"""What papers claim, held against what runs recorded."""
