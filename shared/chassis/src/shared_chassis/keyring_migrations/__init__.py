"""The keyring's tables and its three functions, as plain SQL files applied in name order."""
