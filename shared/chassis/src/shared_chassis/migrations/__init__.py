"""The chassis' own tables, as plain SQL files applied in name order."""
