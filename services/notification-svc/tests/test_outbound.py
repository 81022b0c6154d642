"""What people read and how it leaves, without any server."""

import textwrap
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import get_args
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from notification_svc.outbound.letter import Letter, Outbox, compose
from notification_svc.outbound.text import LINE, MOMENTS, Text, Texts, fill, moment
from shared_events.notification import Template
from shared_events.request import Outcome

TEXTS = Texts()
KAZAN, ANGELES = ZoneInfo("Europe/Moscow"), ZoneInfo("America/Los_Angeles")
DUE = datetime(2026, 3, 5, 11, 30, tzinfo=UTC)
FACTS: Mapping[str, object] = {
    "number": "KZN-2026-0000001",
    "about": "Pothole",
    "city": "Kazan",
    "outcome": "done",
    "consent_due": DUE,
    "question": "Which entrance is it?",
    "until": DUE,
    "because": "disputed",
    "linked": "duplicate",
    "other": "KZN-2026-0000002",
    "incident": "Water main broken",
    "expected_end": DUE,
}
LANGUAGES = ("en", "es", "ru", "tt")
LETTER = Letter(
    message=UUID(int=7),
    person=UUID(int=9),
    email="rosa@example.org",
    date=DUE.astimezone(KAZAN),
    language="tt",
    text=Text("Мөрәҗәгатегез теркәлде", "Исәнмесез!\n\nРәхмәт.\n"),
)


def read(letter: bytes) -> EmailMessage:
    """Read a letter as a mail program does."""
    return message_from_bytes(letter, policy=SMTP)


def test_every_message_exists_in_every_language() -> None:
    """Four languages, and nothing missing in any."""
    assert {(template, language) for template in get_args(Template) for language in LANGUAGES} <= TEXTS.written
    assert set(LANGUAGES) == TEXTS.languages == set(MOMENTS)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("template", get_args(Template))
def test_a_message_says_the_number_and_what_it_is_about(template: str, language: str) -> None:
    """Subject and body name the request; lines are short enough to be read anywhere."""
    text = TEXTS.message(template, language, KAZAN, FACTS)
    assert "KZN-2026-0000001" in text.subject
    assert "\n" not in text.subject
    for part in ("KZN-2026-0000001", "Pothole", "Kazan"):
        assert part in text.body
    assert max(map(len, text.body.splitlines())) <= 76
    assert text.body.endswith("Kazan\n")


@pytest.mark.parametrize(
    ("language", "written"),
    [
        ("ru", "14:30 5 марта 2026 года"),
        ("tt", "2026 елның 5 марты, 14:30"),
        ("en", "14:30 on 5 March 2026"),
        ("es", "el 5 de marzo de 2026 a las 14:30"),
    ],
)
def test_who_is_asked_reads_until_when_in_the_citys_time(language: str, written: str) -> None:
    """The last moment to answer stands in the city's zone, as the language writes it."""
    body = TEXTS.message("completion_proposed", language, KAZAN, FACTS).body
    assert written in " ".join(body.split())
    assert moment(DUE, "en", ANGELES) == "03:30 on 5 March 2026"


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_outcome_has_its_own_words(language: str) -> None:
    """Seven outcomes, seven texts, also for a request that never had a number."""
    bodies = {
        TEXTS.message("request_closed", language, KAZAN, {**FACTS, "outcome": outcome}).body for outcome in get_args(Outcome)
    }
    assert len(bodies) == len(get_args(Outcome))
    text = TEXTS.message("request_closed", language, KAZAN, {**FACTS, "number": None, "about": None})
    assert "None" not in text.subject + text.body
    assert "  " not in text.subject


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("template", get_args(Template))
def test_what_is_not_known_leaves_no_gap(template: str, language: str) -> None:
    """Neither a number nor a type nor anything optional is missed in the words."""
    unknown = {"number": "", "about": None, "question": None, "other": None, "expected_end": None}
    text = TEXTS.message(template, language, KAZAN, {**FACTS, **unknown})
    if template not in {"request_registered", "completion_proposed"}:
        assert "None" not in text.subject + text.body
        assert not any(gap in text.body + text.subject for gap in ("  ", " .", " ,", "()", " :"))
        assert all(line[:1] == line[:1].upper() for line in (text.subject, *text.body.split("\n\n")[1:]) if language == "tt")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_message_says_what_it_is_for(language: str) -> None:
    """The question, who the other request is, what the outage is called and until when stand in the letters."""

    def body(template: str, **changes: object) -> str:
        return " ".join(TEXTS.message(template, language, KAZAN, {**FACTS, **changes}).body.split())

    until = moment(DUE, language, KAZAN)
    asked = body("information_requested")
    assert "Which entrance is it?" in asked
    assert until in asked
    duplicate, original = body("duplicate_linked"), body("duplicate_linked", linked="original")
    assert duplicate != original
    assert "KZN-2026-0000002" in duplicate
    assert "KZN-2026-0000002" in original
    assert body("request_reopened") != body("request_reopened", because="unlinked")
    for template in ("incident_linked", "incident_prolonged"):
        assert "Water main broken" in body(template)
        assert until in body(template)
        assert until not in body(template, expected_end=None)


@pytest.mark.parametrize(("language", "asks"), [("ru", "оцените"), ("tt", "бәяләгез"), ("en", "rate it"), ("es", "valórelo")])
def test_a_rating_is_asked_for_where_work_was_done(language: str, asks: str) -> None:
    """Nobody rates what was refused or withdrawn."""
    assert asks in TEXTS.message("request_closed", language, KAZAN, FACTS).body
    for outcome in set(get_args(Outcome)) - {"done"}:
        assert asks not in TEXTS.message("request_closed", language, KAZAN, {**FACTS, "outcome": outcome}).body


def test_a_fact_a_template_misses_is_an_error() -> None:
    """Nobody is sent a letter with a gap."""
    with pytest.raises(UndefinedError):
        TEXTS.message("completion_proposed", "en", KAZAN, {key: value for key, value in FACTS.items() if key != "consent_due"})


def test_an_unknown_language_becomes_the_citys_own() -> None:
    """The person's, else the city's, else English."""
    assert TEXTS.language_for("tt", "ru") == "tt"
    assert TEXTS.language_for("fr", "ru") == "ru"
    assert TEXTS.language_for(None, "es") == "es"
    assert TEXTS.language_for("fr", "de") == "en"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("template", get_args(Template))
@pytest.mark.parametrize("sent", [True, False])
def test_the_ledger_says_when_and_what(template: str, language: str, *, sent: bool) -> None:
    """One sentence an entry, with the hour."""
    facts = {"sent": sent, "at": DUE, "template": template, "number": "KZN-2026-0000001"}
    said = TEXTS.sentence("ledger", language, KAZAN, facts)
    assert "14:30" in said
    assert "KZN-2026-0000001" in said
    assert said.endswith(".")
    assert "  " not in TEXTS.sentence("ledger", language, KAZAN, {**facts, "number": None})


def test_a_letter_is_a_mail_every_program_reads() -> None:
    """Headers as RFC 5322 asks, the text in its language, and the same bytes each time."""
    written = compose(LETTER, "kazan.invalid")
    mail = read(written)
    assert mail["To"] == "rosa@example.org"
    assert mail["From"] == "no-reply@kazan.invalid"
    assert mail["Subject"] == "Мөрәҗәгатегез теркәлде"
    assert mail["Date"].datetime == DUE
    assert mail["Message-ID"] == f"<message-{UUID(int=7)}@kazan.invalid>"
    assert mail["Content-Language"] == "tt"
    assert mail.get_content() == "Исәнмесез!\r\n\r\nРәхмәт.\r\n"
    assert not mail.defects
    assert written == compose(LETTER, "kazan.invalid")


@example("=?utf-8?q?a?=")
@given(st.text("абвgh=?_é€𝄞-1 ", min_size=1, max_size=200).filter(lambda subject: subject == " ".join(subject.split())))
def test_a_subject_is_read_as_it_was_written(subject: str) -> None:
    """Any letters, of any length: no line is longer than programs take, and no letter is cut in two."""
    written = compose(replace(LETTER, text=Text(subject, "")), "kazan.invalid")
    mail = read(written)
    assert mail["Subject"] == subject
    assert not mail.defects
    assert max(map(len, written.split(b"\r\n"))) <= 76


@example("слово " * 12 + "что-то")
@given(
    st.lists(
        st.sampled_from(("слово", "KZN-2026-0000001", "что-то", "x" * 80, "a--b", "-", "\u00a0", "да,", " ", "  ", "\n", "\t")),
        max_size=60,
    ).map(" ".join)
)
def test_a_paragraph_is_broken_as_the_standard_library_does(paragraph: str) -> None:
    """Whatever a template or a person's question says."""
    for said in (paragraph, " ".join(paragraph.split())):
        assert fill(said) == textwrap.fill(said, LINE, break_long_words=False)


@pytest.mark.parametrize("email", [None, "", "no address", "a@b\nBcc: all@example.org", "Роза@example.org", "x@", "a@b.c, d@e.f"])
def test_who_has_no_usable_address_is_addressed_by_pseudonym(email: str | None) -> None:
    """A letter always leaves, and to one person only."""
    unaddressed = Letter(LETTER.message, LETTER.person, email, LETTER.date, LETTER.language, LETTER.text)
    mail = read(compose(unaddressed, "kazan.invalid"))
    assert mail["To"] == f"person-{UUID(int=9)}@person.invalid"
    assert mail["Bcc"] is None


def test_an_address_in_cyrillic_letters_is_written_for_the_wire() -> None:
    """The domain in its ASCII form (IDNA)."""
    letter = Letter(LETTER.message, LETTER.person, "roza@почта.рф", LETTER.date, LETTER.language, LETTER.text)
    assert read(compose(letter, "kazan.invalid"))["To"] == "roza@xn--80a1acny.xn--p1ai"


def test_a_letter_takes_its_own_place_in_the_outbox(tmp_path: Path) -> None:
    """One whole file a message, named by it, however often it is written; nothing unfinished stays."""
    outbox = Outbox(tmp_path / "outbox")
    message = UUID("ab000000-0000-5000-8000-000000000001")
    for _ in range(2):
        path = outbox.write(message, b"letter")
    assert path == tmp_path / "outbox" / "ab" / "message-ab000000-0000-5000-8000-000000000001.eml"
    assert [each.read_bytes() for each in (tmp_path / "outbox").rglob("*") if each.is_file()] == [b"letter"]
