"""Clinical knowledge: data with a schema and citations (`data/`), loaded once, with a digest."""
