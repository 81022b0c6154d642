"""The world outside: the texts people read, the outbox letters leave by, and executors' programs that are called."""
