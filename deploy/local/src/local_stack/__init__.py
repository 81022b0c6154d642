"""The real parts on one machine: PostgreSQL, Kafka and an OpenID Connect issuer, with the city's services, supervised.

`stack.up`, `stack.down`, `stack.status` and `stack.watch` are the front door. Everything lives in one directory, the
stack's *home* (`.veche/` under the project), so that two homes are two cities that know nothing of each other.
"""
