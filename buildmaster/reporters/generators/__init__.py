"""Report generators: they decide which events a reporter tells of, and make the reports."""
