"""The page of a report in parts: its template, styles and scripts."""
