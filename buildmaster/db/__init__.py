"""The only room that knows SQL: engine, schema, journal and one file per family of tables."""
