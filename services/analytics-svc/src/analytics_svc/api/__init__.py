"""Reports over HTTP, as JSON or CSV, and the reports people keep."""

from collections.abc import Mapping

from analytics_svc.api import report, saved
from analytics_svc.domain.refusal import AlreadySavedError, AnalyticsError
from shared_chassis.http import Router

ERRORS: Mapping[type[Exception], int] = {AlreadySavedError: 409, AnalyticsError: 422}
"""What is refused, and as what."""

router = Router()
router.include_router(report.router)
router.include_router(saved.router)
