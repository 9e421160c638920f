"""The decision log in PostgreSQL: how its statements, connections, tables and roles differ."""
