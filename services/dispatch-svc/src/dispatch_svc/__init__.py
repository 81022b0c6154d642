"""dispatch-svc decides who is to act on a request, and watches every clock.

It listens to request-svc (submitted, registered, completion proposed, closed) and states, in the stream `case-<request's uuid>`:
the case opened, routed or not, assigned, accepted, started, reported done, who held it since when, which term ran until when and
whether it was breached, closed. In `organisation-`, `responsibility-` and `sla-` stands what the city packs say. Nothing is ever
silently unrouted: a request that no rule sends anywhere is held by a dispatcher, and says so.
"""
