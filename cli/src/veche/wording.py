"""What each fact says, as a sentence in words: what happened, who it concerns, until when, on which ground and in which round.

A sentence names fields in braces, parts of them by a dot. What stands in square brackets is left out where one of its fields is
empty. Moments are in the reader's own time zone; what is sealed is said to be.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime

SENTENCES: Mapping[str, str] = {
    "request.service-type-defined.v1": "The service type {code} of {city} is defined[, a kind of {parent}]",
    "request.building-registered.v1": "The building {code} of {city} is registered: {address}",
    "request.request-submitted.v1": "Submitted in {city} by {channel}[: {service_type}][, {location.address}]",
    "request.request-registered.v1": "Registered as {number}: {service_type}[, district {district}]",
    "request.request-reclassified.v1": "Reclassified from {previous} to {service_type}: {reason}",
    "request.request-linked-as-duplicate.v1": "Linked as a duplicate of {of}",
    "request.request-unlinked.v1": "No duplicate of {of} after all: {reason}",
    "request.information-requested.v1": "The resident is asked for information by the {by} (question {number}); "
    "clocks pause, at most until {until}",
    "request.information-received.v1": "The resident answered question {number}; clocks go on",
    "request.information-not-received.v1": "Question {number} was not answered by {until}; clocks go on",
    "request.attachment-added.v1": "An attachment was added ({media_type}, {size} bytes)",
    "request.request-rejected.v1": "Rejected ({outcome}): {ground}",
    "request.completion-proposed.v1": "Round {round}: {organisation} says it is done; the resident is asked, "
    "silence until {consent_due} counts as acceptance",
    "request.completion-confirmed.v1": "Round {round}: the resident confirms that it is done",
    "request.completion-disputed.v1": "Round {round}: the resident disputes that it is done[: {reason}]",
    "request.request-reopened.v1": "Reopened because {because}: round {round} begins",
    "request.completion-deemed-accepted.v1": "Round {round}: accepted by silence, nothing was said until {consent_due}",
    "request.request-withdrawn.v1": "Withdrawn: {reason}",
    "request.request-closed.v1": "Closed: {outcome}",
    "request.rating-asked.v1": "Round {round}: the resident is asked to rate the work of {organisation}",
    "request.request-rated.v1": "Round {round}: the resident rates the work of {organisation} {rating} of 5[: {comment}]",
    "request.personal-data-erased.v1": "All personal data is erased, asked for by the {asked_by}",
    "dispatch.organisation-registered.v1": "The organisation {name} ({kind}) is registered",
    "dispatch.organisation-key-issued.v1": "A key of {organisation} is issued: {label} ({scopes})[, until {valid_until}]",
    "dispatch.organisation-key-revoked.v1": "The key {key_id} of {organisation} opens nothing from {at} on",
    "dispatch.responsibility-granted.v1": "{organisation} answers for {service_type}[ in {district}][ at {building}] "
    "from {valid_from}[ to {valid_to}]",
    "dispatch.calendar-adopted.v1": "The calendar {calendar} is adopted in version {version}",
    "dispatch.term-policy-adopted.v1": "The terms of {city} are adopted in version {version}, by calendar {calendar}",
    "dispatch.routing-rules-activated.v1": "The routing rules of {city} are activated in version {version}: {note}",
    "dispatch.case-opened.v1": "A case is opened",
    "dispatch.request-routed.v1": "Routed to {organisation} by {rule}, version {rule_version}",
    "dispatch.routing-failed.v1": "Routed to nobody: {reason}[ ({rule}: {detail})]; a dispatcher must",
    "dispatch.request-assigned.v1": "Round {round}: {organisation} is assigned, by {by}",
    "dispatch.assignment-accepted.v1": "Round {round}: {organisation} accepts",
    "dispatch.assignment-declined.v1": "Round {round}: {organisation} declines, refusal {number}: {reason}[, “{note}”]"
    "[; it proposes {proposes}]",
    "dispatch.committee-decided.v1": "Round {round}: the committee decides for {organisation}: {ground}",
    "dispatch.work-scheduled.v1": "Round {round}: {organisation} plans the work from {begins} to {ends}",
    "dispatch.work-returned.v1": "Round {round}: {organisation} gives the work back: {reason}[, “{note}”]"
    "[; it proposes {proposes}]",
    "dispatch.sub-task-opened.v1": "Round {round}: a part of the work is given to {organisation}: {title}",
    "dispatch.sub-task-done.v1": "Round {round}: a part of the work is done ({sub_task})",
    "dispatch.sub-task-cancelled.v1": "Round {round}: a part of the work is not needed ({sub_task}): {reason}",
    "dispatch.work-started.v1": "Round {round}: {organisation} is at work",
    "dispatch.work-reported-done.v1": "Round {round}: {organisation} reports the work done[, as the incident {incident} is over]",
    "dispatch.work-found-impossible.v1": "Round {round}: the work is found {outcome}: {ground}",
    "dispatch.case-reclassified.v1": "The case is of {service_type} now, not of {previous}: its terms count by that",
    "dispatch.case-reopened.v1": "The case begins round {round}",
    "dispatch.holder-changed.v1": "Held by {holder.kind}[ {holder.organisation}] since {at}",
    "dispatch.stage-deadline-set.v1": "Round {round}: the clock “{stage}” runs until {due} "
    "({term.amount} {term.unit} from {starts_at})",
    "dispatch.clock-paused.v1": "Round {round}: the clock “{stage}” pauses since {at}, {because}[, at most until {until}]",
    "dispatch.clock-resumed.v1": "Round {round}: the clock “{stage}” goes on since {at}, now until {due}",
    "dispatch.deadline-warned.v1": "Round {round}: the clock “{stage}” is nearly over, due {due}, held by {holder.kind}"
    "[ {holder.organisation}]",
    "dispatch.request-escalated.v1": "Round {round}: the breach of “{stage}”, due {due}, goes up to the {to} (level {level})",
    "dispatch.deadline-breached.v1": "Round {round}: the clock “{stage}” ran out at {due}, held by {holder.kind}"
    "[ {holder.organisation}]",
    "dispatch.case-closed.v1": "The case is closed since {at}: {outcome}",
    "dispatch.request-linked-to-incident.v1": "Explained by the incident {incident} (by {by})"
    "[, which should be over {expected_end}]",
    "dispatch.request-unlinked-from-incident.v1": "Not explained by the incident {incident} after all: {reason}",
    "dispatch.incident-suggested.v1": "Perhaps an incident: {count} of {service_type}[ in {district}] from {window_start} to "
    "{window_end}, usually {average}",
    "dispatch.incident-declared.v1": "An incident is declared, begun {began_at}, in the hands of {organisation}"
    "[; it should be over {expected_end}]",
    "dispatch.incident-dismissed.v1": "No incident: {reason}",
    "dispatch.incident-prolonged.v1": "The incident lasts[ until {expected_end}]: {reason}",
    "dispatch.incident-resolved.v1": "The incident is over since {at}: {note}",
    "discussion.procedure-adopted.v1": "The procedure {code} is adopted in version {version}",
    "discussion.discussion-registered.v1": "A discussion is registered: {title}",
    "discussion.document-attached.v1": "The document {name} is attached ({media_type}, {size} bytes)",
    "discussion.notification-published.v1": "The notice is published: open from {opens_at} to {closes_at}",
    "discussion.exposition-opened.v1": "Open for submissions until {closes_at}",
    "discussion.submissions-closed.v1": "Closed for submissions since {closes_at}",
    "discussion.protocol-drafted.v1": "The protocol is drawn up: {submissions} submissions of {participants} participants",
    "discussion.question-submitted.v1": "A question: {text}",
    "discussion.proposal-submitted.v1": "A proposal: {text}",
    "discussion.remark-submitted.v1": "A remark: {text}",
    "discussion.submission-registered.v1": "The {kind} is registered as {number}",
    "discussion.submission-supported.v1": "Somebody supports it",
    "notification.work-item-opened.v1": "Somebody of the staff is to look: {kind}, priority {priority}[, due {due}]",
    "notification.work-item-claimed.v1": "Claimed by {agent} until {lease_until}",
    "notification.work-item-released.v1": "Back in the queue: {reason}",
    "notification.work-item-deferred.v1": "Put off until {until} by {agent}: {reason}",
    "notification.work-item-completed.v1": "Nothing is left to do[, because of {cause_type}][: {note}]",
    "notification.message-sent.v1": "Told to the resident by {channel}, in {language}: {template}",
    "notification.message-failed.v1": "Could not be told by {channel} in {attempts} attempts: {template} ({error})",
    "notification.subscription-changed.v1": "{organisation} wants to be called at {url} for {events}",
    "notification.webhook-delivered.v1": "Told to the programs of {organisation}: {cause_type}, attempt {attempts}",
    "notification.webhook-failed.v1": "Could not be told to the programs of {organisation} in {attempts} attempts: "
    "{cause_type} ({error})",
    "analytics.report-saved.v1": "The report {name} is kept",
    "analytics.surge-detected.v1": "A surge: {count} of {service_type}[ in {district}], usually {average}",
}

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")
OPTIONAL = re.compile(r"\[([^\]]*)\]")
FIELD = re.compile(r"\{([\w.]+)\}")
SEALED = "(sealed)"


def sentence(type_: str, data: Mapping[str, object]) -> str:
    """Say a fact in words; a type that is not known here is read aloud."""
    said = SENTENCES.get(type_)
    if said is None:
        return words(type_)
    said = OPTIONAL.sub(lambda part: part[1] if all(value(data, name) for name in FIELD.findall(part[1])) else "", said)
    return FIELD.sub(lambda name: value(data, name[1]), said)


def words(type_: str) -> str:
    """Read an event's type aloud: `request.request-submitted.v1` is `request submitted`."""
    return type_.partition(".")[2].rpartition(".")[0].replace("-", " ")


def value(data: Mapping[str, object], path: str) -> str:
    """Spell a field as people read it; empty where there is nothing."""
    found: object = data
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    if found is None:
        return ""
    if isinstance(found, Mapping):
        return SEALED if "sealed" in found else ", ".join(map(str, found))
    if isinstance(found, list):
        return ", ".join(map(str, found))
    text = str(found)
    if MOMENT.fullmatch(text):
        return f"{datetime.fromisoformat(text).astimezone(UTC).astimezone():%Y-%m-%d %H:%M:%S}"
    return text.replace("_", " ") if re.fullmatch(r"[a-z]+(_[a-z]+)+", text) else text
