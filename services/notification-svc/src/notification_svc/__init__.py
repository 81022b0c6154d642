"""The agents' queue and the messages people are sent.

Decides which work items are open, who works on one and until when, and that a person was told. Listens to request-svc (what a
message is about) and dispatch-svc (what nobody routed, what is late, and what settles either). Says WorkItem* and Message*.
"""
