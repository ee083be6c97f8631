"""Steps for RPM packages."""
