"""Steps that make and check packages."""
