# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages around a text and a part that hides something: every odd way to say where the parts are.

A template holds ``@T`` where the harmless part stands and ``@P`` where the other stands, each header and all;
its line feeds are CRLF in the message.

*Source:* the dimensions of noxxi's mime-is-broken and of MIMEminer, as their samples' names tell them.
"""

from base64 import encodebytes
from binascii import b2a_qp, b2a_uu

from tests.mime.boundaries import PARAMETERS, PARTS, fielded, typed


def _divided(body: bytes) -> bytes:
    """Return a multipart with this body, declared by the book."""
    return b"Content-Type: multipart/mixed; boundary=foo\n\n" + body


def _head(subtype: bytes) -> bytes:
    return typed(b" " + subtype + b"; boundary=foo")


TYPES = {
    "basic": typed(b" multipart/mixed; boundary=foo"),
    "ct.fold": typed(b" multipart/mixed;\n boundary=foo"),
    "key.fold": typed(b"\n multipart/mixed; boundary=foo"),
    "key.2fold": typed(b"\n \n multipart/mixed; boundary=foo"),
    "quoted": typed(b' multipart/mixed; boundary="foo"'),
    "mULti_type": typed(b" mULtipart/mixed; boundary=foo"),
    "nospace": typed(b"multipart/mixed;boundary=foo"),
    "tab": typed(b"\tmultipart/mixed;\tboundary=foo"),
    "semicolon-last": typed(b" multipart/mixed; boundary=foo;"),
    "blank-last": typed(b" multipart/mixed; boundary=foo  \t"),
    "charset-first": typed(b" multipart/mixed; charset=utf-8; boundary=foo"),
    "type-blank-slash": typed(b" multipart /mixed; boundary=foo"),
    "type-slash-blank": typed(b" multipart/ mixed; boundary=foo"),
    "type-fold-slash": typed(b" multipart\n /mixed; boundary=foo"),
    "type-without-subtype": typed(b" multipart; boundary=foo"),
    "type-empty-subtype": typed(b" multipart/; boundary=foo"),
    "type-third": typed(b" multipart/mixed/foo; boundary=foo"),
    "type-unknown": _head(b"multipart/x-unknown"),
    "type-quoted": typed(b' "multipart/mixed"; boundary=foo'),
    "type-single-quoted": typed(b" 'multipart/mixed'; boundary=foo"),
    "type-encoded-word": typed(b" =?utf-8?Q?multipart/mixed?=; boundary=foo"),
    "type-second": typed(b" text/plain, multipart/mixed; boundary=foo"),
    "type-first": typed(b" multipart/mixed, text/plain; boundary=foo"),
    "type-nul": typed(b" multipart/mixed\0; boundary=foo"),
    "type-semicolon-first": typed(b" ;multipart/mixed; boundary=foo"),
    "type-colon-first": typed(b": multipart/mixed; boundary=foo"),
    "type-comment-first": typed(b" (x) multipart/mixed; boundary=foo"),
    "type-comment-within": typed(b" multi(x)part/mixed; boundary=foo"),
    "type-comment-slash": typed(b" multipart(x)/mixed; boundary=foo"),
    "type-comment-last": typed(b" multipart/mixed (x); boundary=foo"),
    "type-comment-semicolon": typed(b" multipart/mixed (;); boundary=foo"),
    "type-8bit": typed(b" multipart/mixed\xa0; boundary=foo"),
    "type-8bit-first": typed(b" \xa0multipart/mixed; boundary=foo"),
    "type-backslash": typed(b" multip\\art/mixed; boundary=foo"),
    "type-missing": typed(b" ; boundary=foo"),
    "type-only-boundary": typed(b" boundary=foo"),
    "type-typo": typed(b" multipart-mixed; boundary=foo"),
    "type-blank-multi": typed(b" multi part/mixed; boundary=foo"),
    "type-text": typed(b" text/plain; boundary=foo"),
    "type-octets": typed(b" application/octet-stream; boundary=foo"),
    "type-absent": b"Subject: x\n\n" + PARTS,
    "twice": typed(b" multipart/mixed; boundary=foo\nContent-Type: multipart/mixed; boundary=foo"),
    "twice-other-first": typed(b" multipart/mixed; boundary=bar\nContent-Type: multipart/mixed; boundary=foo"),
    "twice-other-last": typed(b" multipart/mixed; boundary=foo\nContent-Type: multipart/mixed; boundary=bar"),
    "twice-text-first": typed(b" text/plain\nContent-Type: multipart/mixed; boundary=foo"),
    "twice-text-last": typed(b" multipart/mixed; boundary=foo\nContent-Type: text/plain"),
    "twice-empty-first": typed(b"\nContent-Type: multipart/mixed; boundary=foo"),
    "twice-empty-last": typed(b" multipart/mixed; boundary=foo\nContent-Type:"),
}
_MULTIPART = b" multipart/mixed; boundary=foo"
FIELDS = {
    "name-upper": fielded(b"CONTENT-TYPE:" + _MULTIPART),
    "name-blank": fielded(b"Content-Type :" + _MULTIPART),
    "name-tab": fielded(b"Content-Type\t:" + _MULTIPART),
    "name-underscore": fielded(b"Content_Type:" + _MULTIPART),
    "name-no-hyphen": fielded(b"ContentType:" + _MULTIPART),
    "name-no-colon": fielded(b"Content-Type" + _MULTIPART),
    "name-semicolon": fielded(b"Content-Type;" + _MULTIPART),
    "name-equals": fielded(b"Content-Type=" + _MULTIPART),
    "name-two-colons": fielded(b"Content-Type::" + _MULTIPART),
    "name-colon-first": fielded(b":Content-Type:" + _MULTIPART),
    "name-comment": fielded(b"Content-Type(x):" + _MULTIPART),
    "name-comment-within": fielded(b"Content-(x)Type:" + _MULTIPART),
    "name-quoted": fielded(b'"Content-Type":' + _MULTIPART),
    "name-nul": fielded(b"Content-Type\0:" + _MULTIPART),
    "name-8bit": fielded(b"Content-Type\xa0:" + _MULTIPART),
    "name-8bit-first": fielded(b"\xef\xbb\xbfContent-Type:" + _MULTIPART),
    "name-encoded-word": fielded(b"=?us-ascii?Q?Content-Type?=:" + _MULTIPART),
    "name-folded": fielded(b"Content-\n Type:" + _MULTIPART),
    "name-colon-folded": fielded(b"Content-Type\n :" + _MULTIPART),
    "fold-first": fielded(b" Content-Type:" + _MULTIPART),
    "fold-behind": fielded(b"X-Any: thing\n Content-Type:" + _MULTIPART),
    "behind-junk": fielded(b"X-Any: thing\njunk\nContent-Type:" + _MULTIPART),
    "behind-blanks": fielded(b"X-Any: thing\n \nContent-Type:" + _MULTIPART),
    "behind-empty-line": fielded(b"X-Any: thing\n\nContent-Type:" + _MULTIPART),
    "behind-carriage-return": fielded(b"X-Any: thing\rContent-Type:" + _MULTIPART),
    "behind-two-carriage-returns": fielded(b"X-Any: thing\r\rContent-Type:" + _MULTIPART),
    "behind-from-line": fielded(b"From me@example.com Mon Jan  1 00:00:00 2026\nContent-Type:" + _MULTIPART),
    "behind-many-fields": fielded(
        b"".join(b"X-%d: y\n" % number for number in range(400)) + b"Content-Type:" + _MULTIPART
    ),
    "version-missing": fielded(b"Subject: x\nContent-Type:" + _MULTIPART),
    "version-other": fielded(b"Mime-Version: 2.0 (x)\nContent-Type:" + _MULTIPART),
    "version-nonsense": fielded(b"Mime-Version: none\nContent-Type:" + _MULTIPART),
    "encoding-of-multipart": fielded(b"Content-Type:" + _MULTIPART + b"\nContent-Transfer-Encoding: base64"),
    "encoding-of-multipart-qp": fielded(
        b"Content-Type:" + _MULTIPART + b"\nContent-Transfer-Encoding: quoted-printable"
    ),
    "encoding-of-multipart-unknown": fielded(b"Content-Type:" + _MULTIPART + b"\nContent-Transfer-Encoding: x-any"),
}
DELIMITERS = {
    "blank": _divided(PARTS.replace(b"--foo\n", b"--foo \n")),
    "tab": _divided(PARTS.replace(b"--foo\n", b"--foo\t\n")),
    "blanks": _divided(PARTS.replace(b"--foo\n", b"--foo" + b" " * 1000 + b"\n")),
    "junk": _divided(PARTS.replace(b"--foo\n", b"--foo junk\n")),
    "junk-joined": _divided(PARTS.replace(b"--foo\n", b"--foojunk\n")),
    "junk-second": _divided(b"--foo\n@T\n--foojunk\n@P\n--foo--\n"),
    "semicolon": _divided(PARTS.replace(b"--foo\n", b"--foo;\n")),
    "nul": _divided(PARTS.replace(b"--foo\n", b"--foo\0\n")),
    "nul-before": _divided(PARTS.replace(b"--foo\n", b"\0--foo\n")),
    "form-feed": _divided(PARTS.replace(b"--foo\n", b"--foo\f\n")),
    "vertical-tab": _divided(PARTS.replace(b"--foo\n", b"--foo\v\n")),
    "hyphen": _divided(PARTS.replace(b"--foo\n", b"--foo-\n")),
    "blank-before": _divided(PARTS.replace(b"--foo", b" --foo")),
    "blank-before-second": _divided(b"--foo\n@T\n --foo\n@P\n--foo--\n"),
    "blank-within": _divided(PARTS.replace(b"--foo", b"-- foo")),
    "blank-hyphens": _divided(PARTS.replace(b"--foo", b"- -foo")),
    "one-hyphen": _divided(PARTS.replace(b"--foo", b"-foo")),
    "three-hyphens": _divided(PARTS.replace(b"--foo", b"---foo")),
    "no-hyphens": _divided(PARTS.replace(b"--foo", b"foo")),
    "quoted": _divided(PARTS.replace(b"--foo", b'--"foo"')),
    "carriage-return": _divided(PARTS.replace(b"--foo\n", b"--foo\r")),
    "two-carriage-returns": _divided(PARTS.replace(b"--foo\n", b"--foo\r\n")),
    "after-carriage-return": _divided(b"--foo\n@T\r--foo\n@P\n--foo--\n"),
    "not-at-line-start": _divided(b"--foo\n@T\nx--foo\n@P\n--foo--\n"),
    "not-closed": _divided(b"--foo\n@T\n--foo\n@P\n"),
    "not-closed-nor-ended": _divided(b"--foo\n@T\n--foo\n@P"),
    "closing-junk": _divided(b"--foo\n@T\n--foo\n@P\n--foo--junk\n"),
    "closing-blank": _divided(b"--foo\n@T\n--foo\n@P\n--foo --\n"),
    "closing-one-hyphen": _divided(b"--foo\n@T\n--foo\n@P\n--foo-\n"),
    "closing-first": _divided(b"--foo--\n--foo\n@T\n--foo\n@P\n--foo--\n"),
    "closed-early": _divided(b"--foo\n@T\n--foo--\n--foo\n@P\n--foo--\n"),
    "closed-early-only": _divided(b"--foo\n@T\n--foo--\n@P\n--foo--\n"),
    "closed-early-blank": _divided(b"--foo\n@T\n--foo-- \n--foo\n@P\n--foo--\n"),
    "closed-early-junk": _divided(b"--foo\n@T\n--foo--junk\n--foo\n@P\n--foo--\n"),
    "closed-as-delimiter": _divided(b"--foo\n@T\n--foo--\n@P\n"),
    "preamble": _divided(b"preamble\n\n" + PARTS),
    "preamble-hides": _divided(b"@P\n--foo\n@T\n--foo--\n"),
    "preamble-hides-header": _divided(b"\n@P\n--foo\n@T\n--foo--\n"),
    "epilogue-hides": _divided(b"--foo\n@T\n--foo--\n@P\n"),
    "epilogue-hides-behind-line": _divided(b"--foo\n@T\n--foo--\n\n@P\n"),
    "other-in-preamble": _divided(b"--bar\n@P\n--bar--\n--foo\n@T\n--foo--\n"),
    "other-in-epilogue": _divided(b"--foo\n@T\n--foo--\n--bar\n@P\n--bar--\n"),
    "other-in-part": _divided(b"--foo\n@T\n--bar\n@P\n--bar--\n--foo--\n"),
    "empty-lines": _divided(b"\n\n\n--foo\n@T\n\n\n--foo\n@P\n\n\n--foo--\n\n\n"),
    "no-empty-line": b"Content-Type: multipart/mixed; boundary=foo\n--foo\n@T\n--foo\n@P\n--foo--\n",
    "only-part": _divided(b"--foo\n@P\n--foo--\n"),
    "first-part": _divided(b"--foo\n@P\n--foo\n@T\n--foo--\n"),
    "empty-parts": _divided(b"--foo\n--foo\n\n--foo\n@P\n--foo--\n"),
    "many-parts": _divided(b"--foo\n@T\n" * 200 + b"--foo\n@P\n--foo--\n"),
    "blank-line-first": _divided(b"--foo\n@T\n--foo\n \n@P\n--foo--\n"),
    "empty-line-first": _divided(b"--foo\n@T\n--foo\n\n@P\n--foo--\n"),
    "junk-first": _divided(b"--foo\n@T\n--foo\njunk\n@P\n--foo--\n"),
    "delimiter-twice": _divided(b"--foo\n@T\n--foo\n--foo\n@P\n--foo--\n"),
}
_INNER = b"Content-Type: multipart/mixed; boundary=bar\n\n--bar\n@T\n--bar\n@P\n--bar--\n"
_MESSAGE = b"Subject: x\n" + typed(_MULTIPART)


def _nested(inner: bytes) -> bytes:
    return _divided(b"--foo\n@T\n--foo\n" + inner + b"\n--foo--\n")


def _deep(levels: int) -> bytes:
    made = b"@P"
    for level in range(levels):
        made = b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n%b\n--b%d--\n" % (level, level, made, level)
    return made


NESTED = {
    **{subtype: _head(b"multipart/" + subtype.encode()) for subtype in ("alternative", "related", "signed", "report")},
    **{kind: _head(b"multipart/" + kind.encode()) for kind in ("parallel", "encrypted", "form-data", "appledouble")},
    "nested": _nested(_INNER),
    "nested-same-boundary": _nested(_INNER.replace(b"bar", b"foo")),
    "nested-boundary-begins": _nested(_INNER.replace(b"bar", b"foobar")),
    "nested-boundary-begun": _nested(_INNER.replace(b"bar", b"fo")),
    "nested-not-closed": _nested(_INNER.replace(b"--bar--\n", b"")),
    "nested-outer-missing": _divided(b"--foo\n@T\n--foo\n" + _INNER),
    "nested-delimiter-of-outer": _nested(_INNER.replace(b"--bar\n@P", b"--foo\n@P")),
    "nested-boundary-of-outer-missing": _nested(_INNER.replace(b"; boundary=bar", b"").replace(b"bar", b"foo")),
    "nested-3": _deep(3),
    "nested-20": _deep(20),
    "nested-60": _deep(60),
    "message": b"Content-Type: message/rfc822\n\n" + _MESSAGE,
    "message-no-blank": b"Content-Type:message/rfc822\n\n" + _MESSAGE,
    "message-empty-line": b"Content-Type: message/rfc822\n\n\n" + _MESSAGE,
    "message-from-line": b"Content-Type: message/rfc822\n\nFrom me@example.com Mon Jan  1 00:00:00 2026\n" + _MESSAGE,
    "message-twice": b"Content-Type: message/rfc822\n\nContent-Type: message/rfc822\n\n" + _MESSAGE,
    "message-part": _nested(b"Content-Type: message/rfc822\n\n" + _MESSAGE.replace(b"foo", b"bar")),
    "message-same-boundary": _nested(b"Content-Type: message/rfc822\n\n" + _MESSAGE),
    "message-global": b"Content-Type: message/global\n\n" + _MESSAGE,
    "message-news": b"Content-Type: message/news\n\n" + _MESSAGE,
    "message-unknown": b"Content-Type: message/x-unknown\n\n" + _MESSAGE,
    "message-partial": b"Content-Type: message/partial; id=x; number=1; total=1\n\n" + _MESSAGE,
    "message-external-body": b"Content-Type: message/external-body; access-type=x\n\n" + _MESSAGE,
    "message-delivery-status": b"Content-Type: message/delivery-status\n\n" + _MESSAGE,
    "message-http": b"Content-Type: message/http\n\n" + _MESSAGE,
    "message-as-text": b"Content-Type: text/rfc822\n\n" + _MESSAGE,
    "message-as-headers": b"Content-Type: text/rfc822-headers\n\n" + _MESSAGE,
    "message-as-octets": b"Content-Type: application/octet-stream; name=a.eml\n\n" + _MESSAGE,
    "digest": _divided(b"--foo\n@T\n--foo\n\n" + _MESSAGE.replace(b"foo", b"bar") + b"--foo--\n").replace(
        b"multipart/mixed", b"multipart/digest", 1
    ),
    "as-text": b"Content-Type: text/plain\n\n" + PARTS,
    "as-html": b"Content-Type: text/html\n\n" + PARTS,
    "as-octets": b"Content-Type: application/octet-stream\n\n" + PARTS,
    "as-text-part": _nested(b"Content-Type: text/plain\n\n" + PARTS.replace(b"foo", b"bar")),
    "single": b"@P",
    "single-versioned": b"Mime-Version: 1.0\n@P",
}
_ENCODERS = {
    "base64": ("base64", encodebytes),
    "qp": ("quoted-printable", lambda octets: b2a_qp(octets, istext=True).replace(b"\r\n", b"\n") + b"\n"),
    "uu": (
        "x-uuencode",
        lambda octets: (
            b"begin 644 a.eml\n"
            + b"".join(b2a_uu(octets[at : at + 45]) for at in range(0, len(octets), 45))
            + b"`\nend\n"
        ),
    ),
}
ENCODED_TYPES = {
    "multipart": b"multipart/mixed; boundary=foo",
    "message": b"message/rfc822",
    "text": b"text/plain",
    "html": b"text/html",
    "octets": b"application/octet-stream",
}
CONTAINERS = {
    **{f"multipart-{name}": template for name, template in TYPES.items()},
    **{f"boundary-{name}": template for name, template in PARAMETERS.items()},
    **{f"field-{name}": template for name, template in FIELDS.items()},
    **{f"delimiter-{name}": template for name, template in DELIMITERS.items()},
    **{f"shape-{name}": template for name, template in NESTED.items()},
}


def filled(template: bytes, text: bytes, part: bytes) -> bytes:
    """Return the message that a template makes of its two parts, whose line ends are as they are to be."""
    crlf = template.replace(b"\n", b"\r\n")
    return crlf.replace(b"@T", text).replace(b"@P", part)


def encoded_containers(text: bytes, part: bytes) -> dict[str, bytes]:
    """Return messages whose multipart or message is encoded as a whole, which no standard allows."""
    made = {}
    for how, (word, encode) in _ENCODERS.items():
        for kind, declared in ENCODED_TYPES.items():
            inner = PARTS if kind == "multipart" else _MESSAGE
            encoded = encode(filled(inner, text, part)).replace(b"\n", b"\r\n")
            head = b"Content-Type: %b\r\nContent-Transfer-Encoding: %b\r\n\r\n" % (declared, word.encode())
            made[f"encoded-{kind}-{how}"] = head + encoded
    return made
