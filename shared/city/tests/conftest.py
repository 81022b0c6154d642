"""A small valid pack, which tests then damage in one place or several."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

PACK = {
    "city.yaml": """\
slug: sample
names: {en: Sample, ru: Пример}
version: "1"
timezone: Europe/Moscow
languages: [en, ru]
default_language: ru
register_prefix: SMP
""",
    "calendars.yaml": """\
- id: sample
  version: "1"
  week:
    mon: ["08:00-12:00", "13:00-17:00"]
    tue: ["08:00-17:00"]
    wed: ["08:00-17:00"]
    thu: ["08:00-17:00"]
    fri: ["08:00-15:00"]
    sat: []
    sun: []
  holidays: {country: RU, from_year: 2025, to_year: 2025}
  days_off:
    - date: 2025-08-29
      names: {en: Fair, ru: Ярмарка}
  working_days:
    - date: 2025-08-30
      hours: ["10:00-14:00"]
- id: shifts
  version: "7"
  timezone: Europe/Samara
""",
    "districts.yaml": """\
- code: north
  names: {en: North, ru: Север}
  aliases: ["1"]
- code: south
  names: {en: South, ru: Юг}
""",
    "buildings.yaml": """\
- code: mill-1
  address: Mill Street, 1
  suburb: Mill
  district: north
- code: tower
  address: Tower Square
""",
    "service-types.yaml": """\
- code: no-heating
  names: {en: No heating, ru: Нет отопления}
  group: heating
  emergency: true
- code: street-light
  names: {en: Street light, ru: Фонарь}
  group: territory
  aliases: [Street Light Out]
- code: other
  names: {en: Other, ru: Другое}
  group: other
- code: lift
  names: {en: Lift, ru: Лифт}
  group: house
  parent: other
  questions_version: "3"
  questions:
    - code: people
      kind: number
      names: {en: How many, ru: Сколько}
      least: 1
      most: 9
    - code: where
      kind: choice
      names: {en: Where, ru: Где}
      required: false
      choices:
        top: {en: Top, ru: Вверху}
        bottom: {en: Bottom, ru: Внизу}
  evidence_required: 1
  valid_from: 2026-01-01
  valid_to: 2027-01-01
""",
    "organisations.yaml": """\
- slug: houses
  name: Houses Ltd
  kind: management
  calendar: shifts
- slug: lights
  name: Lights
  kind: contractor
  aliases: [BSL]
""",
    "responsibilities.yaml": """\
- organisation: houses
  service_types: [no-heating]
  districts: [north, south]
  valid_from: 2026-01-01
  valid_to: 2026-07-01
- organisation: lights
  service_types: [street-light]
  city_wide: true
  valid_from: 2026-01-01
- organisation: houses
  service_types: [street-light]
  districts: [north]
  valid_from: 2026-01-01
- organisation: lights
  service_types: [no-heating]
  buildings: [mill-1]
  valid_from: 2026-01-01
""",
    "routing.yaml": """\
- id: night
  when: hour >= 22
  organisation: lights
  note: Nobody else is awake.
""",
    "terms.yaml": """\
version: "1"
calendar: {id: sample, version: "1"}
stages:
  accept: {unit: elapsed-minutes, minutes: 60}
  finish: {unit: elapsed-minutes, minutes: 600}
  silent_consent: {unit: elapsed-minutes, minutes: 30}
  information: {unit: working-days, days: 5}
warn_percent: 75
ladder:
  - {after_minutes: 0, to: dispatcher}
  - {after_minutes: 60, to: supervisor}
statutory_pauses: [completion_proposed]
most_declines: 2
overrides:
  - service_types: [no-heating]
    stages:
      accept: {unit: elapsed-minutes, minutes: 5}
""",
    "procedures.yaml": """\
- code: general-plan
  version: "1"
  names: {en: General plan, ru: Генеральный план}
  subject: general-plan
  statute: Article 5.1
  lead_days: 7
  duration_days: {least: 1, most: 18}
  submissions: [proposal, remark]
""",
    "import.yaml": """\
requests:
  system: Elsewhere
  columns:
    number: [Number]
    created: [CreatedDate, Opened]
    service_type: [Type]
    status: [Status]
    district: [CD]
  date_formats: ["%d.%m.%Y %H:%M", "%Y-%m-%d"]
  channels:
    - {names: [App], channel: mobile, submitted_by: resident, person: true}
    - {names: [Robot], channel: call_centre, submitted_by: agent, person: false}
  other_channels: {channel: call_centre, submitted_by: agent, person: true}
  anonymous: [Y]
  statuses:
    done: [Closed]
    open: [Open]
""",
}


@pytest.fixture
def write_pack(tmp_path: Path) -> Callable[..., Path]:
    """Give a function that writes the sample pack and returns its directory.

    `change`: pairs of old and new text by file; `add`: text at the end of a file, or a new file; `without`: files left out.
    """

    def write(
        change: Mapping[str, Sequence[tuple[str, str]]] | None = None,
        add: Mapping[str, str] | None = None,
        without: Sequence[str] = (),
        name: str = "sample",
        parent: str = "cities",
    ) -> Path:
        texts = {file: text for file, text in PACK.items() if file not in without}
        for file, pairs in (change or {}).items():
            for old, new in pairs:
                assert old in texts[file]
                texts[file] = texts[file].replace(old, new, 1)
        for file, text in (add or {}).items():
            texts[file] = texts.get(file, "") + text
        path = tmp_path / parent / name
        path.mkdir(parents=True)
        for file, text in texts.items():
            (path / file).write_text(text, encoding="utf-8")
        return path

    return write
