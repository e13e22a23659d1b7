# What milterguard uses of google-re2, which carries no types for mypy's strict mode.
class error(Exception):
    args: tuple[bytes]

class Options:
    log_errors: bool
    never_capture: bool

class _Regexp:
    def search(self, text: bytes) -> object | None: ...

def compile(pattern: bytes, options: Options | None = None) -> _Regexp: ...
