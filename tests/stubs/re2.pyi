# What milterguard uses of google-re2, which carries no types for mypy's strict mode.
class error(Exception):
    args: tuple[bytes]

class Options:
    log_errors: bool
    never_capture: bool

class _Match:
    def group(self) -> bytes: ...
    def groups(self) -> tuple[bytes | None, ...]: ...

class _Regexp:
    groups: int
    def search(self, text: bytes) -> _Match | None: ...

def compile(pattern: bytes, options: Options | None = None) -> _Regexp: ...
