"""Service requests: what residents ask the city for, from submission to closing.

**Decides**: whether a request is taken in and under which number; whether it is refused, withdrawn, confirmed as done or
accepted by silence; with which outcome it closes, once and for good.

**Listens to** dispatch-svc: when work is reported done, the resident is asked. Everything else it hears from there only shows
who holds the request and which clock runs.

**Says** (topic `request.events`): RequestSubmitted, RequestRegistered, RequestRejected, CompletionProposed,
CompletionConfirmed, CompletionDeemedAccepted, RequestWithdrawn, RequestClosed; and, as reference data, ServiceTypeDefined.
"""
