"""Real days become live traffic: rows of files are played through the public APIs by robots."""
