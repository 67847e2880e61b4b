"""YAML configuration groups, shipped with the package."""
