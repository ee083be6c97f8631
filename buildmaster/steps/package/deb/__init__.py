"""Steps for Debian packages."""
