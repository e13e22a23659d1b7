# What milterguard uses of dkimpy, which carries no types for mypy's strict mode.
from collections.abc import Sequence
from typing import Any

class DKIMException(Exception): ...

class DomainSigner:
    headers: list[Any]
    hasher: Any
    signature_algorithm: bytes
    def __init__(self, message: bytes | None = ..., **options: Any) -> None: ...
    def gen_header(
        self,
        fields: list[tuple[bytes, bytes]],
        include_headers: Sequence[bytes],
        canon_policy: Any,
        header_name: bytes,
        pk: Any,
        standardize: bool = ...,
    ) -> bytes: ...
    def verify(self, idx: int = ..., dnsfunc: Any = ...) -> Any: ...

class DKIM(DomainSigner):
    def sign(self, selector: bytes, domain: bytes, privkey: bytes, **options: Any) -> bytes: ...

class ARC(DomainSigner): ...
