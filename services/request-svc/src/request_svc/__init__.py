"""Service requests: what residents ask the city for, from submission to closing and, when disputed, from there again.

**Decides**: whether a request is taken in and under which number; of which service type it is and what that type asks; whether
it repeats another; what the resident is asked meanwhile; whether it is refused, withdrawn, found impossible, confirmed as done,
disputed or accepted by silence; with which outcome it closes; how its work was rated; and that a person's data is erased.

**Listens to** dispatch-svc: when work is reported done, the resident is asked; when it is found impossible, the request closes.
Everything else it hears from there only shows who holds the request and which clocks run, and which keys organisations have.

**Says** (topic `request.events`): RequestSubmitted, RequestRegistered, RequestReclassified, RequestLinkedAsDuplicate,
RequestUnlinked, InformationRequested, InformationReceived, InformationNotReceived, AttachmentAdded, RequestRejected,
CompletionProposed, CompletionConfirmed, CompletionDisputed, CompletionDeemedAccepted, RequestReopened, RequestWithdrawn,
RequestClosed, RatingAsked, RequestRated, PersonalDataErased; and, as reference data, ServiceTypeDefined, BuildingRegistered.
"""
