"""How the resident found the work: asked when a request closes as done, given once a round."""

from request_svc.domain.refusal import AlreadyRatedError, RatingNotAskedError
from request_svc.domain.request.lifecycle import check_asker
from request_svc.domain.request.state import Request
from request_svc.domain.request.transition import goes_on
from request_svc.domain.submission import Asker
from shared_events.event import Event
from shared_events.request import RequestRated


def rate(request: Request, asker: Asker, rating: int, comment: str | None) -> list[Event]:
    """Take the resident's rating of the last round's work, or an agent's on their behalf, from 1 (bad) to 5 (good)."""
    check_asker(request, asker)
    goes_on(request, "rate")
    organisation = request.rating_asked.get(request.round)
    if organisation is None or request.person is None:
        raise RatingNotAskedError
    if request.round in request.ratings:
        raise AlreadyRatedError
    return [RequestRated(round=request.round, person=request.person, organisation=organisation, rating=rating, comment=comment)]
