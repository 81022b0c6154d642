"""Every metric of the chassis, in this one file, each with the sentence an operator reads in `/metrics`.

Nothing here names a person, a stream or an event: labels are of closed, small sets (route templates, types, consumers).
The process's own CPU, memory and file descriptors come from prometheus-client's default collectors.
Seconds are seconds, positions are positions of the service's own log.
"""

from prometheus_client import Counter, Gauge, Histogram

_SHORT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LONG = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0, 86400.0)

HTTP_REQUESTS = Counter(
    "veche_http_requests", "Requests answered, by route template, method and status.", ["route", "method", "status"]
)
HTTP_SECONDS = Histogram(
    "veche_http_request_seconds",
    "Time from a request's first byte to its answer's last, by route template and method.",
    ["route", "method"],
    buckets=_SHORT,
)

APPEND_BATCH = Histogram(
    "veche_append_batch_commands",
    "Commands committed together in one transaction of the store.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
)
APPEND_SECONDS = Histogram(
    "veche_append_seconds", "Time of one append transaction, the wait for the append lock included.", buckets=_SHORT
)
APPEND_CONFLICTS = Counter(
    "veche_append_conflicts", "Appends refused because another replica had written to the stream; they are tried again."
)

COMMANDS_FORGOTTEN = Counter(
    "veche_commands_forgotten", "Commands whose actor and body hash were forgotten because they were kept long enough."
)
SNAPSHOTS = Counter(
    "veche_snapshots",
    "Snapshots of long streams: used, kept, and those done without (corrupt, foreign, other_shape, away, not_kept, unwritable).",
    ["outcome"],
)

RELAY_POSITION = Gauge("veche_relay_position", "Position up to which every event is acknowledged by Kafka.")
RELAY_LAG = Gauge("veche_relay_lag_events", "Positions between the store's end and the relay's checkpoint.")
RELAY_AGE = Gauge("veche_relay_age_seconds", "Age of the oldest stored event that is not yet published; 0 when none is.")

CONSUMER_LAG = Gauge(
    "veche_consumer_lag_events",
    "Offsets between a partition's end and the next one this consumer reads.",
    ["consumer", "topic", "partition"],
)
CONSUMER_HANDLED = Counter("veche_consumer_handled", "Events whose reactions and folds are done.", ["consumer", "type"])
CONSUMER_SKIPPED = Counter(
    "veche_consumer_skipped", "Events passed over because their position was handled before.", ["consumer", "topic"]
)
CONSUMER_UNKNOWN = Counter(
    "veche_consumer_unknown_types", "Events passed over because no release of this service knows their type.", ["consumer"]
)
CONSUMER_PARKED = Counter("veche_consumer_parked", "Events set aside for a person to look at, by reason.", ["consumer", "reason"])
CONSUMER_EARLY = Counter(
    "veche_consumer_early", "Events that wait for another one, about something not yet known here.", ["consumer"]
)

TIMERS_FIRED = Counter("veche_timers_fired", "Timers whose reaction is stored.", ["kind"])
TIMER_LATENESS = Histogram(
    "veche_timer_lateness_seconds", "Time between a timer's due moment and its firing.", ["kind"], buckets=_LONG
)

SENDER_DELIVERIES = Counter(
    "veche_sender_deliveries", "Attempts to hand a message to the outside world, by outcome.", ["channel", "outcome"]
)
KEYRING_LOOKUPS = Counter(
    "veche_keyring_lookups",
    "Queries to the keyring, by operation (create, open, destroy) and outcome.",
    ["operation", "outcome"],
)
COMPONENT_RESTARTS = Counter(
    "veche_component_restarts", "Times a part of the process ended by an error and was started again.", ["component"]
)
