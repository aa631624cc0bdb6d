"""Configuration from arguments, environment and the shared AWS files."""
