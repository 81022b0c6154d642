"""The extra questions of a service type, and whether what was answered answers them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import assert_never

from request_svc.domain.city import TypeRules
from request_svc.domain.refusal import (
    AnswerMissingError,
    AnswerOfWrongKindError,
    AnswerOutOfBoundsError,
    QuestionsChangedError,
    UnknownChoiceError,
    UnknownQuestionError,
)
from shared_events.request import Answer, Question


@dataclass(frozen=True, slots=True)
class Answers:
    """What was answered, by the question's code, to the questions in a version; None is the present one."""

    by_code: Mapping[str, Answer]
    version: str | None = None


def checked(rules: TypeRules, given: Answers) -> Answers:
    """Give the answers with the version they answer; refuse those that do not answer what the service type asks.

    A refusal names what would do, and never repeats what was answered.
    """
    if given.version is not None and given.version != rules.questions_version:
        raise QuestionsChangedError(f"They are now in version {rules.questions_version}.")
    asked = {question.code: question for question in rules.questions}
    if unknown := sorted(given.by_code.keys() - asked.keys()):
        raise UnknownQuestionError(f"{', '.join(unknown)}. {allowed(asked)}")
    if missing := [code for code, question in asked.items() if question.required and code not in given.by_code]:
        raise AnswerMissingError(f"Required: {', '.join(missing)}.")
    for code, answer in given.by_code.items():
        _check(asked[code], answer)
    return Answers(dict(given.by_code), rules.questions_version)


def allowed(names: Iterable[str]) -> str:
    """Say which names would do."""
    return f"Allowed: {', '.join(sorted(names)) or 'none'}."


def _check(question: Question, answer: Answer) -> None:
    match question.kind:
        case "yes_no":
            if not isinstance(answer, bool):
                raise AnswerOfWrongKindError(f"{question.code}: true or false.")
        case "number":
            if isinstance(answer, bool) or not isinstance(answer, int):
                raise AnswerOfWrongKindError(f"{question.code}: a whole number.")
            too_small = question.least is not None and answer < question.least
            too_large = question.most is not None and answer > question.most
            if too_small or too_large:
                raise AnswerOutOfBoundsError(f"{question.code}: {_bounds(question)}.")
        case "choice":
            if not isinstance(answer, str):
                raise AnswerOfWrongKindError(f"{question.code}: the code of a choice.")
            if answer not in question.choices:
                raise UnknownChoiceError(f"{question.code}: {allowed(question.choices)}")
        case _:
            assert_never(question.kind)


def _bounds(question: Question) -> str:
    least = "" if question.least is None else f"at least {question.least}"
    most = "" if question.most is None else f"at most {question.most}"
    return " and ".join(bound for bound in (least, most) if bound)
