"""A city as data: the models of a city pack, its loader and the questions asked of it.

A pack is a directory named like the city's slug. `city.yaml` is required; the other files a city may do without:

| file | says |
|---|---|
| `city.yaml` | slug, names, version, timezone, languages and which is the default, prefix of register numbers |
| `calendars.yaml` | whose days and hours count: id, version, week, holidays of a country, own days off, working days |
| `districts.yaml` | the districts: code, names, aliases |
| `buildings.yaml` | the buildings: code, address, suburb, district |
| `service-types.yaml` | what residents can ask for: code, names, group, parent, emergency, aliases, questions, evidence, period |
| `organisations.yaml` | who can be responsible: slug, name, kind, aliases, calendar |
| `responsibilities.yaml` | which organisation answers for which service types, in `buildings`, `districts` or `city_wide`, when |
| `routing.yaml` | what goes before responsibility, in this order: id, when, organisation, note |
| `terms.yaml` | how long each stage may take, by policy, calendar and service type; warnings, ladder, pauses, refusals |
| `procedures.yaml` | how public discussions are held: subject, statute, lead, duration, kinds of submissions |
| `import.yaml` | how another system's file of requests is read: columns, dates, channels, statuses, anonymity |

Loading: `load_city`, `load_cities`; `PackError` lists every `Problem` by file and line; `check` gives them as lines of text.

Questions, pure functions over a `City`: `district`, `service_type`, `organisation` (by code, slug or alias, however spelt),
`building`, `procedure`, `terms_for`, `responsible`. Over its `request_import`: `columns`, `read_time`, `ending`, `reporter`.

What services derive ids from: `City.pack_version` changes whenever anything the pack says changes.
"""

from shared_city.imports import (
    MissingColumnsError,
    Reporter,
    RequestImport,
    UnreadableDateError,
    columns,
    ending,
    read_time,
    reporter,
)
from shared_city.lookup import NoTermsError, building, district, organisation, procedure, responsible, service_type, terms_for
from shared_city.model import (
    Building,
    City,
    District,
    EscalationStep,
    Organisation,
    PauseCause,
    Procedure,
    Question,
    Responsibility,
    RoutingOverride,
    ServiceType,
    Stage,
    Terms,
    UnknownCalendarError,
)
from shared_city.pack import check, load_cities, load_city
from shared_city.source import PackError, Problem

__all__ = [
    "Building",
    "City",
    "District",
    "EscalationStep",
    "MissingColumnsError",
    "NoTermsError",
    "Organisation",
    "PackError",
    "PauseCause",
    "Problem",
    "Procedure",
    "Question",
    "Reporter",
    "RequestImport",
    "Responsibility",
    "RoutingOverride",
    "ServiceType",
    "Stage",
    "Terms",
    "UnknownCalendarError",
    "UnreadableDateError",
    "building",
    "check",
    "columns",
    "district",
    "ending",
    "load_cities",
    "load_city",
    "organisation",
    "procedure",
    "read_time",
    "reporter",
    "responsible",
    "service_type",
    "terms_for",
]
