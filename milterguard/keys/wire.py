# SPDX-License-Identifier: GPL-3.0-or-later
"""What the key process is asked and answers: one JSON object on a line, each way.

    {"keys": "example.com"}                                  {"keys": [["example.com", "s1", "rsa-sha256"]]}
    {"sign": ["example.com", "s1", "rsa-sha256"], "digest": "…"}   {"signature": "…"}
                                                             {"error": "no key s1 of example.com"}

*Source:* ours; what amavis' ``amavisd-signer`` is for. *Errors:* SignError for a line that is none of these.
"""

import json
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence
from typing import Any

from milterguard.dkim.compose import SigningKey
from milterguard.errors import SignError

LINE_LIMIT = 16384
DIGEST_OCTETS = 32


def asking_for_keys(domain: str) -> bytes:
    return _line({"keys": domain})


def asking_to_sign(key: SigningKey, digest: bytes) -> bytes:
    return _line({"sign": _words(key), "digest": _text(digest)})


def answer_keys(keys: Sequence[SigningKey]) -> bytes:
    return _line({"keys": [_words(key) for key in keys]})


def answer_signature(signature: bytes) -> bytes:
    return _line({"signature": _text(signature)})


def answer_error(said: str) -> bytes:
    return _line({"error": said})


def read_line(line: bytes) -> dict[str, Any]:
    """Return what a line says. Raises SignError."""
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        raise SignError("not a line of JSON") from None
    if not isinstance(said, dict):
        raise SignError("not an object")
    return said


def read_key(said: Any) -> SigningKey:
    """Return a key by its three words. Raises SignError."""
    if not isinstance(said, list) or len(said) != 3 or not all(isinstance(each, str) for each in said):
        raise SignError("not domain, selector and algorithm")
    return SigningKey(*said)


def read_octets(said: Any) -> bytes:
    """Return octets that stand as base64. Raises SignError."""
    try:
        return b64decode(said if isinstance(said, str) else "!", validate=True)
    except (Base64Error, ValueError):
        raise SignError("not base64") from None


def _words(key: SigningKey) -> list[str]:
    return [key.domain, key.selector, key.algorithm]


def _text(octets: bytes) -> str:
    return b64encode(octets).decode("ascii")


def _line(said: dict[str, Any]) -> bytes:
    return json.dumps(said, separators=(",", ":")).encode("ascii") + b"\n"
