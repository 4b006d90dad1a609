"""Tables of standards as data files: keys are the standard's symbols, and every file names its source."""
