"""Secrets: values that a configuration names and that a provider keeps."""
