"""The rules of analytics-svc: what may be kept as a report, and when so many registrations at once are worth a hint."""
