# What milterguard uses of pyspf, which carries no types for mypy's strict mode.
from typing import Any

class TempError(Exception):
    def __init__(self, msg: str, mech: str | None = ..., ext: Any = ...) -> None: ...

class PermError(Exception):
    def __init__(self, msg: str, mech: str | None = ..., ext: Any = ...) -> None: ...

MAX_VOID_LOOKUPS: int

class query:
    d: str
    void_lookups: int
    i: str
    l: str
    o: str
    A: str
    cidrmax: int
    def __init__(
        self,
        i: str,
        s: str,
        h: str,
        local: str | None = ...,
        receiver: str | None = ...,
        strict: bool = ...,
        timeout: float = ...,
        verbose: bool = ...,
        querytime: float = ...,
    ) -> None: ...
    def check(self, spf: str | None = ...) -> tuple[str, int, str]: ...
    def validated_ptrs(self) -> list[str]: ...
    def dns_ptr(self, i: str) -> list[str]: ...
    def dns_a(self, domainname: str, A: str = ...) -> list[str]: ...
    def cidrmatch(self, ipaddrs: list[str], n: int) -> Any: ...
    def get_explanation(self, spec: str) -> Any: ...
    def dns(self, name: str, qtype: str, cnames: Any = ..., ignore_void: bool = ...) -> list[Any]: ...
