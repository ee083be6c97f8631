"""The kit for testing one's own steps, services and configurations."""
