"""A city as data: the models of a city pack, its loader and the questions asked of it.

A pack is a directory named like the city's slug. `city.yaml` is required; the other files a city may do without:

| file | says |
|---|---|
| `city.yaml` | slug, names, version, timezone, languages and which is the default, prefix of register numbers |
| `districts.yaml` | the districts: code, names, aliases |
| `service-types.yaml` | what residents can ask for: code, names, group, emergency, aliases |
| `organisations.yaml` | who can be responsible: slug, name, kind, aliases |
| `responsibilities.yaml` | which organisation answers for which service types, in which districts or `city_wide`, when |
| `terms.yaml` | how long each stage may take, by policy and calendar version, with overrides by service type |
| `procedures.yaml` | how public discussions are held: subject, statute, lead, duration, kinds of submissions |
| `import.yaml` | how another system's file of requests is read: columns, dates, channels, statuses, anonymity |

Loading: `load_city`, `load_cities`; `PackError` lists every `Problem` by file and line; `check` gives them as lines of text.

Questions, pure functions over a `City`: `district`, `service_type`, `organisation` (by code, slug or alias, however spelt),
`procedure`, `terms_for`, `responsible`. Over its `request_import`: `columns`, `read_time`, `ending`, `reporter`.

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
from shared_city.lookup import NoTermsError, district, organisation, procedure, responsible, service_type, terms_for
from shared_city.model import City, District, Organisation, Procedure, Responsibility, ServiceType, Stage, Terms
from shared_city.pack import check, load_cities, load_city
from shared_city.source import PackError, Problem

__all__ = [
    "City",
    "District",
    "MissingColumnsError",
    "NoTermsError",
    "Organisation",
    "PackError",
    "Problem",
    "Procedure",
    "Reporter",
    "RequestImport",
    "Responsibility",
    "ServiceType",
    "Stage",
    "Terms",
    "UnreadableDateError",
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
