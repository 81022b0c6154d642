"""The rules, a module an aggregate: the queue, messages to people, and calls to executors' programs.

Pure: events in, events out, and `now` is given.
"""
