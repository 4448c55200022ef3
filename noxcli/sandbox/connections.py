"""The open TCP connections, so that a fault can drop one, which HTTP alone cannot express."""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

Address = tuple[str, int]


class Connections:
    """Transports by the client's address."""

    def __init__(self) -> None:
        self._open: dict[Address, asyncio.Transport] = {}

    def protocol(self) -> type[asyncio.Protocol]:
        """uvicorn's HTTP protocol, which registers each connection here."""
        opened = self._open

        class NotedConnection(H11Protocol):
            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                super().connection_made(transport)
                opened[_address(transport)] = transport

            def connection_lost(self, exc: Exception | None) -> None:
                super().connection_lost(exc)
                opened.pop(_address(self.transport), None)

        return NotedConnection

    def close(self, client: Address | None) -> None:
        """Send what is buffered, then close: a reader of a chunked body sees that its end is missing."""
        transport = self._open.get(client) if client else None
        if transport is not None:
            transport.close()

    def close_all(self) -> None:
        """Close everything at once, including open streams."""
        for transport in list(self._open.values()):
            transport.abort()


def _address(transport: asyncio.Transport) -> Address:
    host, port = (transport.get_extra_info("peername") or ("", 0))[:2]
    return str(host), int(port)
