"""The API's description of itself: names one can read, and the problem every call may end in."""

import pytest
from provider import MakeApi
from pydantic import BaseModel

from shared_chassis.http import IdempotentCommand, Router, SignedIn


class Form(BaseModel):
    """What is sent."""

    city: str


def router() -> Router:
    """Give a service's routes."""
    made = Router(tags=["requests"])

    @made.post("/requests", status_code=201)
    def submit_request(form: Form, actor: SignedIn, command: IdempotentCommand) -> Form:
        """Submit a request."""
        return form

    return made


def test_operations_are_named_after_what_they_do(make_api: MakeApi) -> None:
    """Generated clients get readable names."""
    document = make_api(routers=[router()], title="Requests", version="1.2.3").openapi()
    operation = document["paths"]["/requests"]["post"]
    assert document["info"] == {"title": "Requests", "version": "1.2.3"}
    assert (operation["operationId"], operation["summary"]) == ("submit_request", "Submit Request")
    assert operation["security"] == [{"accessToken": []}]
    assert document["components"]["securitySchemes"]["accessToken"]["scheme"] == "bearer"


def test_every_operation_documents_the_problem(make_api: MakeApi) -> None:
    """And the framework's own form of errors, which we never send, is gone."""
    document = make_api(routers=[router()]).openapi()
    for path in document["paths"].values():
        for operation in path.values():
            assert operation["responses"]["default"]["content"] == {
                "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
            }
            assert "422" not in operation["responses"]
    schemas = document["components"]["schemas"]
    assert "correlation_id" in schemas["Problem"]["properties"]
    assert "FieldProblem" in schemas
    assert "HTTPValidationError" not in schemas
    assert "ValidationError" not in schemas


def test_two_operations_of_one_name_are_refused(make_api: MakeApi) -> None:
    """A generated client could not tell them apart."""
    with pytest.raises(ValueError, match="submit_request"):
        make_api(routers=[router(), router()])


def test_what_is_counted_is_described_as_the_text_it_is(make_api: MakeApi) -> None:
    """Whoever makes a client from the description does not wait for JSON."""
    answers = make_api().openapi()["paths"]["/metrics"]["get"]["responses"]
    assert set(answers["200"]["content"]) == {"text/plain"}
