"""What is wrong with a pack is told by file and line, in words, all of it at once."""

from collections.abc import Callable
from pathlib import Path

import pytest

from shared_city import PackError, check, load_cities, load_city

FROM_2025 = "organisation: lights, service_types: [no-heating], districts: [south], valid_from: 2025-01-01"

WritePack = Callable[..., Path]
BUT_CITY = (
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
    ("service-types.yaml:6", "ru: Фонарь", "ru:", "names.ru: must be text"),
    ("service-types.yaml:9", "Street Light Out", "OTHER", "'other' already names the service type on line 5"),
    ("service-types.yaml:9", "- code: other\n  names", "- names", "'code' is missing"),
    ("organisations.yaml:6", "kind: contractor", "kind: firm", "must be 'management', 'contractor', 'supplier' or 'department'"),
    ("organisations.yaml:4", "aliases: [BSL]", "aliases: [Houses]", "'Houses' already names the organisation on line 1"),
    ("organisations.yaml:7", "aliases: [BSL]", "aliases: BSL", "aliases: must be a list, not 'BSL'"),
    ("responsibilities.yaml:6", "organisation: lights", "organisation: lamps", "no organisation 'lamps'; known: houses, lights"),
    ("responsibilities.yaml:2", "[no-heating]", "[heating]", "no service type 'heating'; known: no-heating, other, street-light"),
    ("responsibilities.yaml:3", "[north, south]", "[north, west]", "there is no district 'west'; known: north, south"),
    ("responsibilities.yaml:6", "  city_wide: true\n", "", "say either 'districts' or 'city_wide: true'"),
    (
        "responsibilities.yaml:6",
        "city_wide: true",
        "city_wide: true\n  districts: [north]",
        "say either 'districts' or 'city_wide",
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
        "stages.finish.unit: must be 'elapsed-minutes'",
    ),
    ("terms.yaml:5", "  finish: {", "  end: {", "unknown key 'end': must be 'accept', 'finish' or 'silent_consent'"),
    ("terms.yaml:8", "[no-heating]", "[heating]", "there is no service type 'heating'"),
    ("terms.yaml:2", "calendar: {id: sample, ", "calendar: {", "'calendar.id' is missing"),
    ("terms.yaml:2", "calendar: {", "calendar: {days: 5, ", "unknown key 'days'; allowed: id, version"),
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
        "organisations.yaml:6",
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
        f"{path}/responsibilities.yaml:14: line 1 already makes 'houses' responsible, for an overlapping period, for "
        "no-heating in south"
    )
    assert check(path) == ([expected] if overlaps else [])


def test_two_organisations_are_never_responsible_for_the_whole_city(write_pack: WritePack) -> None:
    """City-wide responsibilities overlap with each other, too."""
    entry = "- {organisation: houses, service_types: [street-light], city_wide: true, valid_from: 2027-01-01}\n"
    path = write_pack(add={"responsibilities.yaml": entry})
    (told,) = check(path)
    assert told.startswith(f"{path}/responsibilities.yaml:14: line 6 already makes 'lights' responsible")
    assert told.endswith("for street-light in the whole city")


def test_a_term_is_set_once(write_pack: WritePack) -> None:
    """Two overrides of one stage of one type name both lines; of different stages they go together."""
    again = "  - service_types: [other, no-heating]\n    stages:\n      {}: {{unit: elapsed-minutes, minutes: 5}}\n"
    path = write_pack(add={"terms.yaml": again.format("accept")})
    assert check(path) == [f"{path}/terms.yaml:11: line 8 already sets 'accept' of 'no-heating'"]
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
    assert told.startswith(f"{path}/organisation.yaml:1: is no file of a pack; allowed: city.yaml, districts.yaml")


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
