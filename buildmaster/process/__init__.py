"""From requests to builds: everything that happens while something is built."""
