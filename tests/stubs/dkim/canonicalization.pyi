class CanonicalizationPolicy:
    @classmethod
    def from_c_value(cls, c: bytes) -> CanonicalizationPolicy: ...

class Simple:
    @staticmethod
    def canonicalize_body(body: bytes) -> bytes: ...

class Relaxed:
    @staticmethod
    def canonicalize_body(body: bytes) -> bytes: ...
