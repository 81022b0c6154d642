"""Cases as people look for them: a row a case in lists, and everything about one: holders, clocks and parts of the work."""

from dispatch_svc.views.case.clock import ClockSeen
from dispatch_svc.views.case.file import CaseFile, file_of
from dispatch_svc.views.case.projection import PROJECTION, TABLES, beside_the_row
from dispatch_svc.views.case.query import Filters, page

__all__ = ["PROJECTION", "TABLES", "CaseFile", "ClockSeen", "Filters", "beside_the_row", "file_of", "page"]
