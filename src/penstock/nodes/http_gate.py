"""The gate of the kind `http`: which addresses a request may be sent to.

Whoever writes a workflow chooses the URL, so every request is one the platform makes on a stranger's word. The gate is
at the socket: a name is resolved once, each of its addresses is judged, and the connection is made to one of those
addresses and to nothing else, so that a name that changes its mind between check and use gains nothing. Redirects are
new requests and meet the same gate. Addresses of cloud metadata are refused always, those of private networks when
asked to.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from typing import Any

from ..errors import Refused

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
# Where clouds tell a machine its credentials, besides the link-local 169.254.169.254: AWS (IPv6), Alibaba, Oracle, Azure.
METADATA = frozenset(
    ipaddress.ip_address(text) for text in ("fd00:ec2::254", "100.100.100.200", "192.0.0.192", "168.63.129.16")
)
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def judge(address: Address, private: bool) -> str | None:
    """Why a connection to this address is refused, or None. Looks through IPv6 forms that stand for an IPv4 address."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if inner is None and address in NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None and (why := judge(inner, private)):
            return why
    if address.is_link_local or address in METADATA:
        return "is link-local or a cloud's metadata service, which no step may reach"
    if not private and (not address.is_global or address.is_multicast or address.is_unspecified):
        return "is on a private network, which this step may not reach"
    return None


class Gate:
    """The network as the connection pool sees it: resolves, judges, then connects to an address it has judged."""

    def __init__(self, private: bool) -> None:
        import httpcore2  # noqa: PLC0415

        self._private = private
        self._network: Any = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  (the pool calls it so)
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> Any:
        import httpcore2  # noqa: PLC0415

        error: Exception = httpcore2.ConnectError("no address")
        for address in await self._resolve(host, port):
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as failed:
                error = failed
        raise error

    async def connect_unix_socket(self, path: str, *_: Any, **__: Any) -> Any:
        raise Refused("Local sockets are out of reach.", code="http.address_refused")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def _resolve(self, host: str, port: int) -> list[str]:
        import httpcore2  # noqa: PLC0415

        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore2.ConnectError(f"no such host ({type(error).__name__})") from error
        addresses = list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))
        for text in addresses:
            if why := judge(ipaddress.ip_address(text.partition("%")[0]), self._private):
                raise Refused(f"The address {text} of the host {host} {why}.", code="http.address_refused")
        return addresses
