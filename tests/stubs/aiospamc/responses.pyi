# SPDX-License-Identifier: GPL-3.0-or-later
from aiospamc.header_values import Headers

class Response:
    status_code: int
    message: str
    headers: Headers
    body: bytes

class ResponseException(Exception):
    code: int
    response: Response
    def __init__(self, code: int, message: str, response: Response) -> None: ...

class ServerTimeoutException(ResponseException): ...
