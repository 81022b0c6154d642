"""The stream processor, a process of its own: registrations tallied by the minute, surges among them told. No facts."""
