"""Public discussions with legal force: from the notice to the protocol.

Decides under which procedure a discussion is held, when its exposition opens and closes, which questions, proposals and remarks
are in time, and what stands in the protocol, byte for byte. Listens to nobody yet: it acts on commands and on its own timers.
Says Procedure*, Discussion*, DocumentAttached, NotificationPublished, ExpositionOpened, the submissions with their register
numbers and supporters, SubmissionsClosed and ProtocolDrafted.
"""
