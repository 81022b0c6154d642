"""The API as a part of the process: uvicorn inside our loop, with our signals, drained after it said it would."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
import uvicorn
from fastapi import FastAPI

from shared_chassis.process.run import Component
from shared_chassis.process.settings import ServiceSettings

KEEP_ALIVE = 75
"""Seconds an idle connection is kept; longer than clients and proxies keep theirs, so that it is they who close it."""

BACKLOG = 2048

_log = structlog.get_logger()


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the process has its own."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


def http_component(api: FastAPI, settings: ServiceSettings) -> Component:
    """Make the component that serves an API of `http.create_api` where the settings say; port 0 takes a free one.

    Asked to stop, it turns `/readyz` to 503, goes on for `drain_notice_seconds`, then accepts no more and finishes the calls it
    has, in half of the time there is for draining at most.
    """
    draining: asyncio.Event = api.state.draining

    async def serve(stop: asyncio.Event) -> None:
        listener = _listen(settings.http_host, settings.http_port)
        server = _Server(
            uvicorn.Config(
                api,
                http="httptools",
                ws="none",
                lifespan="on",
                access_log=False,
                log_config=None,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE,
                timeout_graceful_shutdown=max(1, round(settings.drain_seconds / 2)),
            )
        )
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        stopping = asyncio.create_task(stop.wait())
        try:
            address = listener.getsockname()
            _log.info("http.listening", host=address[0], port=address[1])
            await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
            if stop.is_set():
                draining.set()
                await asyncio.sleep(settings.drain_notice_seconds)
            server.should_exit = True
            await serving
        finally:
            stopping.cancel()
            listener.close()

    return Component("api", serve)


def _listen(host: str, port: int) -> socket.socket:
    """Take the address; an `OSError` here says in the log which one is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)
