# SPDX-License-Identifier: GPL-3.0-or-later
from aiospamc.header_values import Headers

class Request:
    verb: str
    headers: Headers
    body: bytes
    def __init__(
        self, verb: str, version: str = ..., headers: dict[str, object] | Headers | None = ..., body: bytes = ...
    ) -> None: ...
