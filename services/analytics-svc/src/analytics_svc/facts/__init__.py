"""What is kept of every event: rows in one DuckDB file, folded in batches, with the positions in one transaction."""
