"""Messages of few bits: packed numbers, compressed changes, masks over weights that never move."""
