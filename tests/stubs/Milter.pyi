# SPDX-License-Identifier: GPL-3.0-or-later
from typing import Any

from milter import milterContext

CONTINUE: int
REJECT: int
DISCARD: int
ACCEPT: int
TEMPFAIL: int
NOREPLY: int

ADDHDRS: int
ADDRCPT: int
ADDRCPT_PAR: int
CHGHDRS: int
DELRCPT: int
SETSYMLIST: int

P_HDR_LEADSPC: int
P_NOUNKNOWN: int
P_NR_CONN: int
P_NR_HELO: int
P_NR_MAIL: int
P_NR_HDR: int
P_NR_EOH: int
P_NR_BODY: int

M_CONNECT: int
M_HELO: int
M_ENVFROM: int
M_ENVRCPT: int
M_DATA: int
M_EOM: int
M_EOH: int

class DisabledAction(RuntimeError): ...

class Base:
    _ctx: milterContext
    _actions: int
    _protocol: int
    def _setctx(self, ctx: milterContext | None) -> None: ...
    def connect(self, hostname: str, family: int, hostaddr: Any) -> int: ...
    def hello(self, hostname: str) -> int: ...
    def abort(self) -> int: ...
    def close(self) -> int: ...
    def negotiate(self, opts: list[int]) -> int: ...
    def addheader(self, field: str, value: str, idx: int = -1) -> None: ...
    def chgheader(self, field: str, idx: int, value: str | None) -> None: ...
    def addrcpt(self, rcpt: str, params: str | None = None) -> None: ...
    def delrcpt(self, rcpt: str) -> None: ...

def close_callback(ctx: milterContext) -> int: ...
