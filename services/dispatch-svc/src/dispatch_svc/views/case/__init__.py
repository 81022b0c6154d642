"""Cases as people look for them: a row a case, who held it since when, every clock that was set, and the parts of the work."""

from dispatch_svc.views.case.projection import PROJECTION, TABLES
from dispatch_svc.views.case.query import CaseFile, Filters, one, page

__all__ = ["PROJECTION", "TABLES", "CaseFile", "Filters", "one", "page"]
