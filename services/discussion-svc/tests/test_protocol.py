"""The protocol: every accepted submission exactly once, no person in it, and the same bytes for ever."""

import hashlib
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from discussion_svc import outbound
from discussion_svc.domain.protocol import TEMPLATE, Edition, Protocol, Stored, compose, offsets_of
from discussion_svc.domain.refusal import UnknownDiscussionError
from shared_chassis.mapper import EventMapper, to_document
from shared_events.catalogue import CATALOGUE
from shared_events.discussion import (
    DiscussionRegistered,
    DocumentAttached,
    Eligibility,
    ExpositionOpened,
    NotificationPublished,
    ProposalSubmitted,
    QuestionSubmitted,
    RemarkSubmitted,
    SubmissionRegistered,
    SubmissionsClosed,
    SubmissionSupported,
)
from shared_events.envelope import Envelope, Recorded
from shared_events.event import Event
from shared_events.ids import derive, discussion_stream, submission_stream
from shared_events.personal import Sealed

DISCUSSION = UUID("3f1c0d6a-1111-5222-8333-444455556666")
MINUTE = timedelta(minutes=1)
OPENS = datetime(2026, 10, 24, 7, 0, tzinfo=UTC)
CLOSES = datetime(2026, 10, 26, 17, 0, tzinfo=UTC)
MADRID = ZoneInfo("Europe/Madrid")
EDITION = Edition(TEMPLATE, "es", "Madrid", "Propuestas ciudadanas", offsets_of(MADRID, OPENS, CLOSES))
KINDS: dict[str, type[QuestionSubmitted | ProposalSubmitted | RemarkSubmitted]] = {
    "question": QuestionSubmitted,
    "proposal": ProposalSubmitted,
    "remark": RemarkSubmitted,
}


class Log:
    """A service's log in the making: facts at their times, with the bytes they would be stored as."""

    def __init__(self) -> None:
        self.stored: list[Stored] = []
        self.documents: list[bytes] = []
        self.versions: Counter[str] = Counter()

    def add(self, stream_id: str, fact: Event, at: datetime) -> None:
        """State a fact."""
        self.versions[stream_id] += 1
        version = self.versions[stream_id]
        event = derive(stream_id, version)
        envelope = Envelope(event, "/test/discussion-svc", fact.TYPE, at, at, "service:test", DISCUSSION, event)
        recorded = Recorded(stream_id, version, envelope, fact)
        document = to_document(recorded)
        self.documents.append(document)
        self.stored.append(Stored(len(self.stored) * 3 + 1, hashlib.sha256(document).hexdigest(), recorded))

    def announce(self, title: str = "Limpiar las calles", territory: str | None = None) -> None:
        """Register, document and announce the discussion."""
        stream_id, at = discussion_stream(DISCUSSION), OPENS - timedelta(days=8)
        registered = DiscussionRegistered(
            city="madrid",
            title=title,
            subject="city-question",
            procedure="citizen-proposals",
            procedure_version="1",
            statute=None,
            lead_days=0,
            kinds=("question", "proposal", "remark"),
            territory=territory,
            origin=None,
        )
        plan = DocumentAttached(sha256="a" * 64, name="propuesta.txt", media_type="text/plain; charset=utf-8", size=1536)
        self.add(stream_id, registered, at)
        self.add(stream_id, plan, at)
        self.add(stream_id, NotificationPublished(opens_at=OPENS, closes_at=CLOSES), at + MINUTE)

    def submit(
        self,
        place: int,
        text: str = "¿Cuándo?",
        kind: str = "question",
        at: datetime = OPENS,
        answers: int | None = None,
        eligibility: Eligibility = "other",
    ) -> None:
        """Submit something and register it."""
        submission, person = self.id(place), derive("person", place % 3)
        stream_id = submission_stream(submission)
        event = derive(stream_id, self.versions[stream_id] + 1)
        said = KINDS[kind](
            discussion=DISCUSSION,
            city="madrid",
            person=person,
            text=text,
            in_reply_to=None if answers is None else self.id(answers),
            eligibility=eligibility,
            evidence="identity confirmed by the provider",
            name=Sealed(event=event, person=person, field="name", box="c2VhbGVk"),
        )
        self.add(stream_id, said, at)
        number = f"MAD-D2026-7WE0TA-{place:04d}"
        registered = SubmissionRegistered.model_validate(
            {"discussion": DISCUSSION, "city": "madrid", "kind": kind, "number": number}
        )
        self.add(stream_id, registered, at)

    def support(self, place: int, voice: int, at: datetime = OPENS) -> None:
        """Support a submission."""
        fact = SubmissionSupported(discussion=DISCUSSION, city="madrid", person=derive("voice", voice))
        self.add(submission_stream(self.id(place)), fact, at)

    @staticmethod
    def id(place: int) -> UUID:
        """Give the id of a submission."""
        return derive("submission", place)


def a_real_looking_log() -> Log:
    """Make a discussion with something of everything."""
    log = Log()
    log.announce("Limpiar las calles <de verdad> & siempre", "Distrito Centro")
    log.add(discussion_stream(DISCUSSION), ExpositionOpened(opens_at=OPENS, closes_at=CLOSES), OPENS)
    log.submit(1, "¿Cuándo se limpiará?\n\n   Gracias & saludos.", "question", OPENS + MINUTE + timedelta(microseconds=1234))
    log.submit(2, "<script>alert('x')</script> Más papeleras.", "proposal", OPENS + 2 * MINUTE, None, "territory_resident")
    log.submit(3, "De acuerdo.\r\nMucho.", "remark", CLOSES - timedelta(seconds=1), 1)
    log.submit(4, "Limpieza \u202eal revés\u202c y \x07 campana", "proposal", OPENS + 26 * 60 * MINUTE)
    log.support(2, 1)
    log.support(2, 2)
    log.add(discussion_stream(DISCUSSION), SubmissionsClosed(closes_at=CLOSES), CLOSES + timedelta(hours=1))
    return log


def page_of(log: Log, edition: Edition = EDITION) -> bytes:
    """Render a log's protocol."""
    return outbound.render(edition.template, edition.language, {"protocol": compose(DISCUSSION, log.stored, edition)})


moments = st.integers(-3, 60 * 58).map(lambda minutes: OPENS + minutes * MINUTE)
statements = st.lists(
    st.tuples(moments, st.sampled_from(sorted(KINDS)), st.sampled_from(["territory_resident", "right_holder", "other"])),
    max_size=30,
)


@for_all(statements)
def test_the_protocol_lists_every_submission_in_time_exactly_once(said: list[tuple[datetime, str, Eligibility]]) -> None:
    """In the log's order, residents apart; what is early or late is nowhere, whatever its place in the log."""
    log = Log()
    log.announce()
    for place, (at, kind, eligibility) in enumerate(said):
        log.submit(place, f"text {place}", kind, at, eligibility=eligibility)
    protocol = compose(DISCUSSION, log.stored, EDITION)
    in_time = [(place, who) for place, (at, _, who) in enumerate(said) if OPENS <= at < CLOSES]
    residents = [f"text {place}" for place, who in in_time if who == "territory_resident"]
    others = [f"text {place}" for place, who in in_time if who != "territory_resident"]
    assert [entry.text for entry in protocol.residents] == residents
    assert [entry.text for entry in protocol.others] == others
    assert protocol.participants == len({place % 3 for place, _ in in_time})
    page = page_of(log).decode()
    for place in range(len(said)):
        assert page.count(f'<article class="entry" id="MAD-D2026-7WE0TA-{place:04d}"') == (place in dict(in_time))


def test_every_entry_shows_the_hash_of_the_stored_bytes() -> None:
    """It is the hash of the receipt, and the hash of all can be computed by hand."""
    log = a_real_looking_log()
    protocol = compose(DISCUSSION, log.stored, EDITION)
    submitted = [document for document in log.documents if b"-submitted.v1" in document]
    assert sorted(entry.sha256 for entry in protocol.entries) == sorted(hashlib.sha256(each).hexdigest() for each in submitted)
    assert [entry.number[-4:] for entry in protocol.entries] == ["0002", "0001", "0003", "0004"]
    lines = "".join(f"{entry.sha256}\n" for entry in protocol.entries)
    assert protocol.included == hashlib.sha256(lines.encode()).hexdigest()
    page = page_of(log).decode()
    assert protocol.included in page
    assert all(page.count(entry.sha256) == 1 for entry in protocol.entries)


def test_answers_name_the_number_they_answer_and_voices_are_counted() -> None:
    """A voice given after the closing counts nothing."""
    log = a_real_looking_log()
    log.support(2, 3, CLOSES)
    by_number = {entry.number[-4:]: entry for entry in compose(DISCUSSION, log.stored, EDITION).entries}
    assert by_number["0003"].answers == "MAD-D2026-7WE0TA-0001"
    assert by_number["0002"].supports == 2
    assert by_number["0001"].supports == 0


def test_the_protocol_holds_no_personal_data() -> None:
    """Neither pseudonyms nor sealed names, neither who acted."""
    log = a_real_looking_log()
    page = page_of(log).decode()
    persons = {str(derive("person", n)) for n in range(3)} | {str(derive("voice", n)) for n in range(4)}
    assert not [person for person in persons if person in page]
    assert "c2VhbGVk" not in page
    assert "service:test" not in page


def test_what_people_write_stays_text() -> None:
    """No markup of theirs, no control character, and the lines they broke."""
    page = page_of(a_real_looking_log()).decode()
    assert "<script>" not in page
    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; Más papeleras." in page
    assert "¿Cuándo se limpiará?\n\n   Gracias &amp; saludos.</div>" in page
    assert "De acuerdo.\nMucho.</div>" in page
    assert "\x07" not in page


def test_times_are_the_citys_own_across_a_change_of_its_clocks() -> None:
    """On 25 October Madrid's clocks go back; the edition keeps both offsets, and no zone data is asked for later."""
    assert [minutes for _, minutes in EDITION.offsets] == [120, 60]
    page = page_of(a_real_looking_log()).decode()
    assert "24/10/2026 09:00 (UTC+02:00)" in page
    assert "26/10/2026 18:00 (UTC+01:00)" in page
    assert "26/10/2026 17:59:59 (UTC+01:00)" in page
    assert "25/10/2026 10:00:00 (UTC+01:00)" in page


@for_all(
    st.builds(
        Edition,
        st.just(TEMPLATE),
        st.sampled_from(["es", "en", "ru"]),
        st.text(min_size=1),
        st.text(min_size=1),
        st.lists(st.tuples(st.datetimes(timezones=st.just(UTC)), st.integers(-720, 840)), min_size=1, max_size=3).map(tuple),
    )
)
def test_an_edition_reads_back_as_it_was_written(edition: Edition) -> None:
    """Whatever a city or a procedure is called."""
    assert Edition.parse(str(edition)) == edition


def test_offsets_of_a_zone_hold_at_every_moment_of_the_period() -> None:
    """At whole hours and between, before and after the change."""
    for zone in (MADRID, ZoneInfo("Asia/Kolkata"), ZoneInfo("Australia/Lord_Howe"), ZoneInfo("America/Los_Angeles")):
        since, until = OPENS - timedelta(days=40, minutes=7), CLOSES + timedelta(days=10)
        edition = Edition(TEMPLATE, "en", "City", "Procedure", offsets_of(zone, since, until))
        moment = since
        while moment <= until:
            assert edition.local(moment).utcoffset() == moment.astimezone(zone).utcoffset()
            moment += timedelta(minutes=29)


RENDER = """
import hashlib, locale, sys
from pathlib import Path
from uuid import UUID
from discussion_svc import outbound
from discussion_svc.domain.protocol import Edition, Stored, compose
from shared_chassis.mapper import EventMapper
from shared_events.catalogue import CATALOGUE
try:
    locale.setlocale(locale.LC_ALL, "")
except locale.Error:
    pass
mapper, edition = EventMapper(CATALOGUE, "/test"), Edition.parse(sys.argv[3])
log = [
    Stored(n, hashlib.sha256(line).hexdigest(), mapper.from_document(line))
    for n, line in enumerate(Path(sys.argv[1]).read_bytes().split(b"\\n"))
]
content = {"protocol": compose(UUID(sys.argv[2]), log, edition)}
sys.stdout.buffer.write(outbound.render(edition.template, edition.language, content))
"""


@pytest.mark.parametrize(
    ("zone", "locale", "seed"),
    [("UTC", "C", "0"), ("Asia/Tokyo", "tr_TR.UTF-8", "1"), ("America/Los_Angeles", "ru_RU.UTF-8", "777")],
)
def test_the_protocol_comes_out_the_same_in_another_place(zone: str, locale: str, seed: str, tmp_path: Path) -> None:
    """Other time zone, locale and hash seed, from the stored bytes alone: equal bytes."""
    log = a_real_looking_log()
    (tmp_path / "log").write_bytes(b"\n".join(log.documents))
    environment = {"TZ": zone, "LC_ALL": locale, "LANG": locale, "PYTHONHASHSEED": seed, "PATH": os.environ["PATH"]}
    arguments = [sys.executable, "-c", RENDER, str(tmp_path / "log"), str(DISCUSSION), str(EDITION)]
    done = subprocess.run(arguments, env=environment, capture_output=True, check=True)
    assert done.stdout == page_of(log)


class Outline(HTMLParser):
    """Reads a page as a browser's outline: open elements, headings, references and their targets."""

    VOID = frozenset({"meta", "br", "link"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings: list[int] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.headers: list[str | None] = []
        self.times: list[str | None] = []
        self.language: str | None = None

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        """Take an element in."""
        found = dict(attrs)
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "html":
            self.language = found.get("lang")
        if len(tag) == 2 and tag[0] == "h" and tag[1].isdigit():
            self.headings.append(int(tag[1]))
        if tag == "time":
            self.times.append(found.get("datetime"))
        if tag == "th":
            self.headers.append(found.get("scope"))
        self.ids += [value for key, value in attrs if key == "id" and value]
        self.references += [value.removeprefix("#") for key, value in attrs if key in {"href", "aria-labelledby"} and value]

    def handle_endtag(self, tag: str) -> None:
        """Every end tag closes the element that is open."""
        assert self.open.pop() == tag


@pytest.mark.parametrize("language", ["es", "en", "ru"])
def test_the_page_is_whole_and_can_be_read_by_everybody(language: str) -> None:
    """Elements nest, headings step down one at a time, every link leads somewhere, every table header has a scope."""
    page = outbound.render(TEMPLATE, language, {"protocol": compose(DISCUSSION, a_real_looking_log().stored, EDITION)}).decode()
    outline = Outline()
    outline.feed(page)
    assert page.startswith("<!doctype html>\n")
    assert outline.open == []
    assert outline.language == language
    assert outline.headings[0] == 1
    assert outline.headings.count(1) == 1
    steps = zip(outline.headings, outline.headings[1:], strict=False)
    assert all(later - earlier <= 1 for earlier, later in steps)
    assert len(outline.ids) == len(set(outline.ids))
    assert set(outline.references) <= set(outline.ids)
    assert set(outline.headers) == {"col", "row"}
    assert "http" not in page
    assert len(outline.times) == 8
    assert all(re.fullmatch(r"[0-9-]{10}T[0-9:]{8}[.][0-9]{3}[+-][0-9:]{5}", time or "") for time in outline.times)


def test_a_language_without_texts_is_answered_in_english() -> None:
    """And the edition then says so."""
    assert [outbound.language_of(TEMPLATE, each) for each in ("es", "ru", "tt")] == ["es", "ru", "en"]


def test_an_empty_discussion_has_a_protocol_too() -> None:
    """Nobody said anything, and that is on record."""
    log = Log()
    log.announce()
    protocol: Protocol = compose(DISCUSSION, log.stored, EDITION)
    assert protocol.entries == ()
    assert protocol.included == hashlib.sha256(b"").hexdigest()
    assert page_of(log).decode().count("Ninguna.") == 2


def test_what_was_never_announced_has_no_protocol() -> None:
    """There is nothing to put on record."""
    with pytest.raises(UnknownDiscussionError):
        compose(DISCUSSION, [], EDITION)


GOLDEN = {
    "es": "966b6bac6d9da06c4bc413ebcd328013a1a5acf01bc374eaf4e0f88a153c5d04",
    "en": "bf979c31dabbe71fb906bcd78ca4363fbdec083070bb00105a91b82e2e251ed0",
    "ru": "9bcb73803ea7c3ed4a29ce4f1b60d73a0f3411d8799c9d7af72c8f8ba1ba3c4e",
}


@pytest.mark.parametrize("language", GOLDEN)
def test_a_released_template_never_changes(language: str) -> None:
    """Protocols stand under the hash of what this template made; for another wording add another template."""
    content = {"protocol": compose(DISCUSSION, a_real_looking_log().stored, EDITION)}
    assert hashlib.sha256(outbound.render("protocol", language, content)).hexdigest() == GOLDEN[language]


def test_stored_bytes_compose_as_facts_do() -> None:
    """Reading the documents back gives the same protocol."""
    log = a_real_looking_log()
    mapper = EventMapper(CATALOGUE, "/test")
    read = [
        Stored(stored.position, stored.sha256, mapper.from_document(document))
        for stored, document in zip(log.stored, log.documents, strict=True)
    ]
    assert compose(DISCUSSION, read, EDITION) == compose(DISCUSSION, log.stored, EDITION)
