"""The service over HTTP, a module an aggregate, and the one table of refusals."""

from collections.abc import Mapping, Sequence

from fastapi import APIRouter

from notification_svc.api import message, subscription, work_item
from notification_svc.application.work_item import QueueBusyError
from notification_svc.domain import subscription as programs
from notification_svc.domain import target
from notification_svc.domain import work_item as queue

ROUTERS: Sequence[APIRouter] = (work_item.router, message.router, subscription.router)

ERRORS: Mapping[type[Exception], int] = {
    queue.WorkItemUnknownError: 404,
    queue.AlreadyClaimedError: 409,
    queue.AlreadyCompletedError: 409,
    queue.StillDeferredError: 409,
    queue.NotHeldError: 409,
    queue.DeferralInThePastError: 422,
    queue.NoteMissingError: 422,
    QueueBusyError: 503,
    programs.OrganisationMissingError: 403,
    programs.SubscriptionUnknownError: 404,
    programs.DeliveryUnknownError: 404,
    programs.SubscriptionEndedError: 409,
    programs.StillUnderWayError: 409,
    programs.TooManySubscriptionsError: 409,
    programs.NothingWantedError: 422,
    programs.EventNotToldError: 422,
    target.TargetUnreadableError: 422,
    target.TargetNotSecureError: 422,
    target.TargetPrivateError: 422,
}
