"""The `veche` command: runs a city on one machine, plays real days through it, and shows what ever happened in it."""
