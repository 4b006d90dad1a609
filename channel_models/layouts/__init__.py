"""Layouts: where base stations and devices stand, how they are placed and how they move."""
