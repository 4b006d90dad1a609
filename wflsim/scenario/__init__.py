"""The scenario: one YAML file, checked whole, and the frozen typed value that it becomes."""
