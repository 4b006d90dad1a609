"""The report: one HTML file of finished runs, which needs nothing beside itself."""
