"""The plumbing of every service: functions and small classes, a noun a file, and no service's name in any of them."""
