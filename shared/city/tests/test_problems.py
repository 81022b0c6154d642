"""What is wrong with a pack is told by file and line, in words, all of it at once."""

from collections.abc import Callable
from pathlib import Path

import pytest

from shared_city import PackError, check, load_cities, load_city

FROM_2025 = "organisation: lights, service_types: [no-heating], districts: [south], valid_from: 2025-01-01"

WritePack = Callable[..., Path]
BUT_CITY = (
    "calendars.yaml",
    "buildings.yaml",
    "routing.yaml",
    "districts.yaml",
    "service-types.yaml",
    "organisations.yaml",
    "responsibilities.yaml",
    "terms.yaml",
    "procedures.yaml",
    "import.yaml",
)

# The file and the line a problem stands on, the text that is changed to what, and words it is told in.
DAMAGES = [
    ("city.yaml:1", "slug: sample", "slug: simple", "slug: must be 'sample', the name of the pack's directory, not 'simple'"),
    ("city.yaml:1", "slug: sample", "slug: Sample", "slug: must be lower-case Latin letters and digits"),
    ("city.yaml:1", "slug: sample\n", "", "'slug' is missing"),
    ("city.yaml:4", "Europe/Moscow", "Europe/Kazan", "timezone: must be a timezone like Europe/Moscow, not 'Europe/Kazan'"),
    ("city.yaml:3", 'version: "1"', "version: 1", "version: must be text; put it in quotes"),
    ("city.yaml:7", "register_prefix: SMP", "register_prefix: smp", "two to five capital Latin letters, like KZN, not 'smp'"),
    ("city.yaml:6", "default_language: ru", "default_language: tt", "one of the city's languages (en, ru), not 'tt'"),
    ("city.yaml:5", "[en, ru]", "[en, ru, en]", "languages: names 'en' twice"),
    ("city.yaml:5", "[en, ru]", "[en, russian]", "a language code of two or three lower-case letters"),
    ("city.yaml:2", "names: {en", "titles: {en", "unknown key 'titles'; allowed: slug, names, version, timezone"),
    ("city.yaml:3", "version:", "slug: sample\nversion:", "'slug' is given twice; first on line 1"),
    ("city.yaml:3", "version:", "2: two\nversion:", "a key must be text; put it in quotes: 2"),
    ("city.yaml:5", "timezone: ", "timezone: [ ", "is not YAML"),
    ("city.yaml:2", "names: {en: Sample", "names: &n {en: *n", "an alias (*) is not allowed: write the value out"),
    ("city.yaml:2", "Пример}", '"Пример "}', "names.ru: must be a text that is not empty, with no spaces around it"),
    ("districts.yaml:5", "ru: Юг", "tt: Көньяк", "names: there is none in 'ru'; the city's languages are: en, ru"),
    ("districts.yaml:5", "ru: Юг", "ru: Юг, tt: Көньяк", "names: 'tt' is not asked for; the city's languages are: en, ru"),
    ("districts.yaml:4", "code: south", "code: north", "'north' already names the district on line 1"),
    ("districts.yaml:4", "ru: Юг}", 'ru: Юг}\n  aliases: ["1"]', "'1' already names the district on line 1"),
    ("districts.yaml:4", "code: south", "code: 2", "code: must be text; put it in quotes"),
    ("districts.yaml:1", "- code: north\n", "north: {}\nrest:\n- code: north\n", "must be a list"),
    ("service-types.yaml:4", "emergency: true", "emergency: maybe", "emergency: must be true or false, not 'maybe'"),
    ("service-types.yaml:8", "group: territory", "group: territory\n  colour: red", "unknown key 'colour'; allowed: code,"),
    ("service-types.yaml:6", "ru: Фонарь", "ru: null", "names.ru: must be text"),
    ("service-types.yaml:9", "Street Light Out", "OTHER", "'other' already names the service type on line 5"),
    ("service-types.yaml:9", "- code: other\n  names", "- names", "'code' is missing"),
    ("organisations.yaml:7", "kind: contractor", "kind: firm", "must be 'management', 'contractor', 'supplier' or 'department'"),
    ("organisations.yaml:5", "aliases: [BSL]", "aliases: [Houses]", "'Houses' already names the organisation on line 1"),
    ("organisations.yaml:8", "aliases: [BSL]", "aliases: BSL", "aliases: must be a list, not 'BSL'"),
    ("responsibilities.yaml:6", "organisation: lights", "organisation: lamps", "no organisation 'lamps'; known: houses, lights"),
    (
        "responsibilities.yaml:2",
        "[no-heating]",
        "[heating]",
        "no service type 'heating'; known: lift, no-heating, other, street-light",
    ),
    ("responsibilities.yaml:3", "[north, south]", "[north, west]", "there is no district 'west'; known: north, south"),
    ("responsibilities.yaml:6", "  city_wide: true\n", "", "say either 'buildings', 'districts' or 'city_wide: true'"),
    (
        "responsibilities.yaml:6",
        "city_wide: true",
        "city_wide: true\n  districts: [north]",
        "say either 'buildings', 'districts' or 'city_wide",
    ),
    ("responsibilities.yaml:1", "2026-07-01", "2025-07-01", "valid_to (2025-07-01) must come after valid_from (2026-01-01)"),
    ("responsibilities.yaml:5", "2026-07-01", "2026-07-32", "'2026-07-32' cannot be read"),
    ("responsibilities.yaml:5", "2026-07-01", "soon", "valid_to: must be a date like 2026-01-31, not 'soon'"),
    ("responsibilities.yaml:2", "[no-heating]", "[]", "service_types: must not be empty"),
    ("terms.yaml:3", "  finish: {unit: elapsed-minutes, minutes: 600}\n", "", "stages: no term for finish"),
    ("terms.yaml:5", "minutes: 600", "minutes: 0", "stages.finish.minutes: must be at least 1, not '0'"),
    ("terms.yaml:5", "unit: elapsed-minutes, minutes: 600", "minutes: 600", "a term says its unit; allowed: elapsed-minutes"),
    (
        "terms.yaml:5",
        "unit: elapsed-minutes, minutes: 600",
        "unit: days, days: 3",
        "stages.finish: a term says its unit; allowed: elapsed-minutes, working-minutes, calendar-days, working-days, months",
    ),
    ("terms.yaml:5", "  finish: {", "  end: {", "unknown key 'end': must be 'accept', 'start', 'finish'"),
    ("terms.yaml:15", "[no-heating]", "[heating]", "there is no service type 'heating'"),
    ("terms.yaml:2", "calendar: {id: sample, ", "calendar: {", "'calendar.id' is missing"),
    ("terms.yaml:2", "calendar: {", "calendar: {days: 5, ", "unknown key 'days'; allowed: id, version"),
    ("terms.yaml:5", "unit: elapsed-minutes, minutes: 600", "unit: months", "'stages.finish.months' is missing"),
    ("terms.yaml:5", "elapsed-minutes, minutes: 600", "months, months: 121", "finish.months: must be at most 120, not '121'"),
    ("terms.yaml:5", "elapsed-minutes, minutes: 600", "months, days: 1", "unknown key 'days'; allowed: unit, months"),
    (
        "terms.yaml:5",
        "elapsed-minutes, minutes: 600",
        'windowed-minutes, minutes: 60, opens: "23:00", closes: "08:00"',
        "stages.finish: a window must close after it opens: 23:00-08:00",
    ),
    (
        "terms.yaml:5",
        "elapsed-minutes, minutes: 600",
        'windowed-minutes, minutes: 60, opens: "8:00", closes: "23:00"',
        "stages.finish.opens: must be a time of the day from 00:00 to 24:00, in quotes, like '08:00'",
    ),
    ("terms.yaml:3", "  information: {unit: working-days, days: 5}\n", "", "stages: no term for information"),
    ("terms.yaml:2", "id: sample", "id: simple", "there is no calendar 'simple'; known: sample, shifts"),
    ("terms.yaml:2", 'version: "1"}', 'version: "2"}', "calendar: 'sample' is in version '1', not '2'"),
    ("terms.yaml:8", "warn_percent: 75", "warn_percent: 100", "warn_percent: must be at most 99, not '100'"),
    ("terms.yaml:9", "after_minutes: 60", "after_minutes: 0", "ladder: rungs come in order: 0 minutes after 0"),
    ("terms.yaml:11", "to: supervisor", "to: mayor", "must be 'dispatcher', 'supervisor', 'committee' or 'city', not 'mayor'"),
    (
        "terms.yaml:12",
        "[completion_proposed]",
        "[lunch]",
        "must be 'information_requested' or 'completion_proposed', not 'lunch'",
    ),
    ("terms.yaml:13", "most_declines: 2", "most_declines: 0", "most_declines: must be at least 1, not '0'"),
    ("calendars.yaml:18", "- id: shifts", "- id: sample", "'sample' already names the calendar on line 1"),
    ("calendars.yaml:1", '  version: "1"\n', "", "'version' is missing"),
    ("calendars.yaml:3", "    sun: []\n", "", "week: a week says the hours of each day, an empty list for none; missing: sun"),
    ("calendars.yaml:4", '12:00", "13:00', '13:30", "13:00', "hours must be in order and must not overlap: 13:00-17:00"),
    ("calendars.yaml:8", "08:00-15:00", "15:00-08:00", "hours must end after they begin: 15:00-08:00"),
    ("calendars.yaml:8", "08:00-15:00", "08:00-24:30", "must be a time of the day from 00:00 to 24:00"),
    ("calendars.yaml:3", "08:00-15:00", "08:00", "hours are a list of texts like 08:00-17:00"),
    ("calendars.yaml:8", "    fri:", "    freitag:", "unknown key 'freitag': must be 'mon', 'tue'"),
    ("calendars.yaml:11", "country: RU", "country: XX", "holidays: no holidays are known: Country XX not available"),
    ("calendars.yaml:11", "to_year: 2025", "to_year: 2024", "holidays: to_year (2024) comes before from_year (2025)"),
    ("calendars.yaml:14", "ru: Ярмарка", "tt: Ярминкә", "names: there is none in 'ru'; the city's languages are: en, ru"),
    ("calendars.yaml:16", "date: 2025-08-30", "date: 2025-08-29", "2025-08-29: line 13 already says what day it is"),
    ("calendars.yaml:17", '["10:00-14:00"]', "[]", "a working day has hours; write a day off under days_off"),
    ("calendars.yaml:20", "Europe/Samara", "Samara", "timezone: must be a timezone like Europe/Moscow, not 'Samara'"),
    ("buildings.yaml:5", "code: tower", "code: mill-1", "'mill-1' already names the building on line 1"),
    ("buildings.yaml:4", "district: north", "district: west", "there is no district 'west'; known: north, south"),
    ("buildings.yaml:5", "  address: Tower Square\n", "", "'address' is missing"),
    ("routing.yaml:3", "organisation: lights", "organisation: lamps", "there is no organisation 'lamps'; known: houses, lights"),
    ("routing.yaml:1", "  when: hour >= 22\n", "", "'when' is missing"),
    ("organisations.yaml:4", "calendar: shifts", "calendar: office", "there is no calendar 'office'; known: sample, shifts"),
    (
        "responsibilities.yaml:16",
        "buildings: [mill-1]",
        "buildings: [mill-2]",
        "there is no building 'mill-2'; known: mill-1, tower",
    ),
    ("service-types.yaml:15", "parent: other", "parent: house", "there is no service type 'house'; known: lift, no-heating"),
    ("service-types.yaml:15", "parent: other", "parent: lift", "parent: 'lift' would be a kind of itself: lift -> lift"),
    ("service-types.yaml:12", '  questions_version: "3"\n', "", "'questions' and 'questions_version' go together"),
    ("service-types.yaml:18", "code: people", "code: How many", "code: must be lower-case Latin letters and digits, with single"),
    ("service-types.yaml:12", "code: where", "code: people", "names 'people' twice"),
    ("service-types.yaml:18", "most: 9", "most: 0", "questions: most (0) is less than least (1)"),
    ("service-types.yaml:18", "kind: number", "kind: yes_no", "'least' and 'most' are for a question of kind number, not yes_no"),
    ("service-types.yaml:23", "kind: choice", "kind: yes_no", "'choices' are for a question of kind choice, not yes_no"),
    (
        "service-types.yaml:23",
        "        bottom: {en: Bottom, ru: Внизу}\n",
        "",
        "a question of kind choice has at least two choices",
    ),
    ("service-types.yaml:20", "ru: Сколько", "es: Cuántos", "names: there is none in 'ru'; the city's languages are: en, ru"),
    ("service-types.yaml:28", "top: {en: Top", "top: {es: Alto, en: Top", "names: 'es' is not asked for"),
    ("service-types.yaml:30", "evidence_required: 1", "evidence_required: -1", "evidence_required: must be at least 0, not '-1'"),
    ("service-types.yaml:12", "2027-01-01", "2026-01-01", "valid_to (2026-01-01) must come after valid_from (2026-01-01)"),
    (
        "procedures.yaml:5",
        "statute: Article 5.1\n",
        "statue: null\n",
        "unknown key 'statue'; allowed: code, version, names, subject, statute",
    ),
    ("procedures.yaml:1", "  statute: Article 5.1\n", "", "'statute' is missing"),
    ("procedures.yaml:6", "lead_days: 7", "lead_days: -1", "lead_days: must be at least 0, not '-1'"),
    ("procedures.yaml:7", "most: 18", "most: 0", "duration_days: most (0) is less than least (1)"),
    ("procedures.yaml:7", "{least: 1, most: 18}", "{least: 1, mots: 18}", "unknown key 'mots'; allowed: least, most"),
    (
        "procedures.yaml:8",
        "[proposal, remark]",
        "[proposal, protest]",
        "must be 'question', 'proposal' or 'remark', not 'protest'",
    ),
    ("import.yaml:9", "%d.%m.%Y %H:%M", "%d.%m %H:%M", "'%d.%m %H:%M' does not tell year, month and day"),
    ("import.yaml:9", "%d.%m.%Y %H:%M", "%Q", "'%Q' is no form of a date"),
    ("import.yaml:3", "    status: [Status]\n", "", "columns: must name status"),
    ("import.yaml:3", "number: [Number]", "number: [created_date]", "columns: 'CreatedDate' is listed for two meanings"),
    ("import.yaml:15", "open: [Open]", "open: [closed]", "statuses: 'closed' is listed for two meanings"),
    ("import.yaml:10", "names: [Robot]", "names: [APP]", "channels: 'APP' is listed for two meanings"),
    ("import.yaml:8", "    district: [CD]", "    colour: [CD]", "unknown key 'colour': must be 'number', 'created'"),
    ("import.yaml:11", "channel: mobile", "channel: pigeon", "must be 'call_centre', 'web', 'mobile', 'open311' or 'import'"),
    (
        "import.yaml:11",
        "{names: [App], ",
        "{name: App, names: [App], ",
        "unknown key 'name'; allowed: channel, submitted_by, person, names",
    ),
]


@pytest.mark.parametrize(("place", "old", "new", "words"), DAMAGES, ids=[f"{damage[0]} {damage[2]!r:.40}" for damage in DAMAGES])
def test_a_damaged_pack_is_refused_with_file_and_line(write_pack: WritePack, place: str, old: str, new: str, words: str) -> None:
    """One thing is wrong in one file: exactly that is told, where it stands."""
    path = write_pack({place.split(":", maxsplit=1)[0]: [(old, new)]})
    with pytest.raises(PackError) as refused:
        load_city(path)
    told = [f"{Path(problem.file).name}:{problem.line}" for problem in refused.value.problems if words in problem.text]
    assert told == [place], str(refused.value)


def test_the_sample_pack_is_valid(write_pack: WritePack) -> None:
    """What the other tests damage is whole to begin with."""
    path = write_pack()
    assert load_city(path).slug == "sample"
    assert check(path) == []
    assert check(path.parent) == []


def test_a_small_mistake_is_told_once(write_pack: WritePack) -> None:
    """A wrong entry does not make a reference to it one problem more."""
    path = write_pack({"organisations.yaml": [("kind: contractor", "kind: firm")]})
    assert len(check(path)) == 1


def test_a_file_that_cannot_be_read_is_told_once(write_pack: WritePack) -> None:
    """Nobody can say whether a reference into it is right."""
    path = write_pack({"organisations.yaml": [("- slug: houses", "- slug: [houses")]})
    assert len(check(path)) == 1


def test_all_problems_are_told_at_once(write_pack: WritePack) -> None:
    """Three files with five mistakes are told in one go, as lines an editor can jump to."""
    path = write_pack(
        {
            "city.yaml": [("Europe/Moscow", "Mars"), ("SMP", "smp")],
            "organisations.yaml": [("contractor", "firm"), ("name: Houses Ltd", "title: Houses")],
            "responsibilities.yaml": [("organisation: lights", "organisation: lamps")],
        }
    )
    told = check(path)
    assert sorted(line.removeprefix(f"{path}/").split(": ")[0] for line in told) == [
        "city.yaml:4",
        "city.yaml:7",
        "organisations.yaml:1",
        "organisations.yaml:2",
        "organisations.yaml:7",
        "responsibilities.yaml:6",
    ]
    with pytest.raises(PackError) as refused:
        load_city(path)
    assert str(refused.value).splitlines() == told


@pytest.mark.parametrize(
    ("entry", "overlaps"),
    [
        ("organisation: lights, service_types: [no-heating], districts: [south], valid_from: 2026-06-30", True),
        ("organisation: houses, service_types: [no-heating], districts: [south], valid_from: 2026-06-30", True),
        ("organisation: lights, service_types: [no-heating], districts: [south], valid_from: 2026-07-01", False),
        ("organisation: lights, service_types: [no-heating], city_wide: true, valid_from: 2026-06-30", False),
        ("organisation: lights, service_types: [other], districts: [south], valid_from: 2026-06-30", False),
        (f"{FROM_2025}, valid_to: 2026-01-01", False),
        (f"{FROM_2025}, valid_to: 2026-01-02", True),
        (FROM_2025, True),
    ],
)
def test_two_organisations_are_never_responsible_at_once(write_pack: WritePack, entry: str, *, overlaps: bool) -> None:
    """One district, one type, one day: one organisation. Both lines are named."""
    path = write_pack(add={"responsibilities.yaml": f"- {{{entry}}}\n"})
    expected = (
        f"{path}/responsibilities.yaml:18: line 1 already makes 'houses' responsible, for an overlapping period, for "
        "no-heating in south"
    )
    assert check(path) == ([expected] if overlaps else [])


def test_two_organisations_are_never_responsible_for_the_whole_city(write_pack: WritePack) -> None:
    """City-wide responsibilities overlap with each other, too."""
    entry = "- {organisation: houses, service_types: [street-light], city_wide: true, valid_from: 2027-01-01}\n"
    path = write_pack(add={"responsibilities.yaml": entry})
    (told,) = check(path)
    assert told.startswith(f"{path}/responsibilities.yaml:18: line 6 already makes 'lights' responsible")
    assert told.endswith("for street-light in the whole city")


def test_a_term_is_set_once(write_pack: WritePack) -> None:
    """Two overrides of one stage of one type name both lines; of different stages they go together."""
    again = "  - service_types: [other, no-heating]\n    stages:\n      {}: {{unit: elapsed-minutes, minutes: 5}}\n"
    path = write_pack(add={"terms.yaml": again.format("accept")})
    assert check(path) == [f"{path}/terms.yaml:18: line 15 already sets 'accept' of 'no-heating'"]
    assert check(write_pack(add={"terms.yaml": again.format("finish")}, parent="other")) == []


def test_service_types_need_terms(write_pack: WritePack) -> None:
    """A city that takes requests says how long they may take."""
    path = write_pack(without=["terms.yaml"])
    assert check(path) == [f"{path}/terms.yaml:1: is missing: a city with service types says how long they may take"]


def test_a_pack_without_city_yaml_is_refused(write_pack: WritePack) -> None:
    """Every other file may be missing."""
    path = write_pack(without=["city.yaml"])
    assert check(path) == [f"{path}/city.yaml:1: is missing: every pack has one"]


def test_city_yaml_alone_is_a_pack(write_pack: WritePack) -> None:
    """A city that takes no requests and holds no discussions is empty, not wrong."""
    path = write_pack(without=BUT_CITY)
    city = load_city(path)
    assert (city.districts, city.terms, city.request_import) == ((), None, None)


def test_an_empty_list_file_is_an_empty_list(write_pack: WritePack) -> None:
    """A file with nothing but a comment says nothing."""
    assert check(write_pack(without=["procedures.yaml"], add={"procedures.yaml": "# none yet\n"})) == []


def test_a_misspelt_file_is_refused(write_pack: WritePack) -> None:
    """Otherwise it would silently count for nothing."""
    path = write_pack(add={"organisation.yaml": "- slug: x\n", "notes.txt": "free"})
    (told,) = check(path)
    assert told.startswith(
        f"{path}/organisation.yaml:1: is no file of a pack; allowed: city.yaml, calendars.yaml, districts.yaml"
    )


def test_a_file_that_is_not_utf_8_is_refused_on_its_line(write_pack: WritePack) -> None:
    """The line of the first byte that cannot be read is named."""
    path = write_pack()
    (path / "districts.yaml").write_bytes(b"- code: north\n  names: {ru: \xd1\xe5\xe2\xe5\xf0}\n")
    assert check(path)[0] == f"{path}/districts.yaml:2: must be a text in UTF-8"


def test_what_is_not_a_pack_is_refused(tmp_path: Path) -> None:
    """A missing directory, an empty one, and one with an empty directory in it."""
    with pytest.raises(PackError, match="is no directory"):
        load_city(tmp_path / "nowhere")
    with pytest.raises(PackError, match="is no directory"):
        load_cities(tmp_path / "nowhere")
    with pytest.raises(PackError, match="holds no city pack"):
        load_cities(tmp_path)
    (tmp_path / "empty").mkdir()
    assert check(tmp_path) == [f"{tmp_path}/empty/city.yaml:1: is missing: every pack has one"]


def test_cities_are_told_apart_by_their_register_numbers(write_pack: WritePack) -> None:
    """Two packs with one prefix are refused, both places named; problems of all packs are told together."""
    first = write_pack({"city.yaml": [("slug: sample", "slug: another")]}, without=BUT_CITY, name="another")
    second = write_pack(without=["districts.yaml"], add={"districts.yaml": "wrong"})
    told = check(second.parent)
    assert f"{second}/city.yaml:7: register_prefix: 'SMP' is taken by {first}/city.yaml:7" in told
    assert f"{second}/districts.yaml:1: must be a list" in told
