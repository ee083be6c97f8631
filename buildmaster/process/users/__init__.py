"""Users: people known by their attributes in version control systems, mail and the web."""
