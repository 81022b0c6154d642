"""Asking a service over HTTP whether it serves."""

import http.client
from urllib.parse import urlsplit


def trouble(address: str) -> str | None:
    """Ask for a page: None if it comes with status 200, else what came instead."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
    try:
        connection.request("GET", parts.path or "/")
        answer = connection.getresponse()
        body = answer.read(2000).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return f"{address}: {error}"
    finally:
        connection.close()
    return None if answer.status == http.HTTPStatus.OK else f"{address}: status {answer.status} {body}".strip()
