# What the tests use of authres, which carries no types for mypy's strict mode.

class core:
    class SyntaxError(Exception): ...
    class UnsupportedVersionError(Exception): ...

class _Result:
    method: str
    result: str

class AuthenticationResultsHeader:
    authserv_id: str
    results: list[_Result]
    @staticmethod
    def parse(string: str) -> AuthenticationResultsHeader: ...
