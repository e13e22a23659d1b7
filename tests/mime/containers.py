# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages around a text and a part that hides something: every odd way to say where the parts are.

A template holds ``@T`` where the harmless part stands and ``@P`` where the other stands, each header and all;
its line feeds are CRLF in the message.

*Source:* the dimensions of noxxi's mime-is-broken and of MIMEminer, as their samples' names tell them.
"""

from base64 import encodebytes
from binascii import b2a_qp, b2a_uu

_PARTS = b"--foo\n@T\n--foo\n@P\n--foo--\n"
_LONG = b"f" * 70
_LONGER = b"f" * 300


def _typed(value: bytes, *, boundary: bytes = b"foo", above: bytes = b"") -> bytes:
    """Return a multipart whose Content-Type has this value."""
    return _fielded(b"Content-Type:" + value, boundary=boundary, above=above)


def _fielded(fields: bytes, *, boundary: bytes = b"foo", above: bytes = b"") -> bytes:
    """Return a multipart with these fields that say so."""
    return above + fields + b"\n\n" + _PARTS.replace(b"foo", boundary)


def _divided(body: bytes) -> bytes:
    """Return a multipart with this body, declared by the book."""
    return b"Content-Type: multipart/mixed; boundary=foo\n\n" + body


def _parameter(written: bytes, *, boundary: bytes = b"foo") -> bytes:
    return _typed(b" multipart/mixed; " + written, boundary=boundary)


def _head(subtype: bytes) -> bytes:
    return _typed(b" " + subtype + b"; boundary=foo")


TYPES = {
    "basic": _typed(b" multipart/mixed; boundary=foo"),
    "ct.fold": _typed(b" multipart/mixed;\n boundary=foo"),
    "key.fold": _typed(b"\n multipart/mixed; boundary=foo"),
    "key.2fold": _typed(b"\n \n multipart/mixed; boundary=foo"),
    "quoted": _typed(b' multipart/mixed; boundary="foo"'),
    "mULti_type": _typed(b" mULtipart/mixed; boundary=foo"),
    "nospace": _typed(b"multipart/mixed;boundary=foo"),
    "tab": _typed(b"\tmultipart/mixed;\tboundary=foo"),
    "semicolon-last": _typed(b" multipart/mixed; boundary=foo;"),
    "blank-last": _typed(b" multipart/mixed; boundary=foo  \t"),
    "charset-first": _typed(b" multipart/mixed; charset=utf-8; boundary=foo"),
    "type-blank-slash": _typed(b" multipart /mixed; boundary=foo"),
    "type-slash-blank": _typed(b" multipart/ mixed; boundary=foo"),
    "type-fold-slash": _typed(b" multipart\n /mixed; boundary=foo"),
    "type-without-subtype": _typed(b" multipart; boundary=foo"),
    "type-empty-subtype": _typed(b" multipart/; boundary=foo"),
    "type-third": _typed(b" multipart/mixed/foo; boundary=foo"),
    "type-unknown": _head(b"multipart/x-unknown"),
    "type-quoted": _typed(b' "multipart/mixed"; boundary=foo'),
    "type-single-quoted": _typed(b" 'multipart/mixed'; boundary=foo"),
    "type-encoded-word": _typed(b" =?utf-8?Q?multipart/mixed?=; boundary=foo"),
    "type-second": _typed(b" text/plain, multipart/mixed; boundary=foo"),
    "type-first": _typed(b" multipart/mixed, text/plain; boundary=foo"),
    "type-nul": _typed(b" multipart/mixed\0; boundary=foo"),
    "type-semicolon-first": _typed(b" ;multipart/mixed; boundary=foo"),
    "type-colon-first": _typed(b": multipart/mixed; boundary=foo"),
    "type-comment-first": _typed(b" (x) multipart/mixed; boundary=foo"),
    "type-comment-within": _typed(b" multi(x)part/mixed; boundary=foo"),
    "type-comment-slash": _typed(b" multipart(x)/mixed; boundary=foo"),
    "type-comment-last": _typed(b" multipart/mixed (x); boundary=foo"),
    "type-comment-semicolon": _typed(b" multipart/mixed (;); boundary=foo"),
    "type-8bit": _typed(b" multipart/mixed\xa0; boundary=foo"),
    "type-8bit-first": _typed(b" \xa0multipart/mixed; boundary=foo"),
    "type-backslash": _typed(b" multip\\art/mixed; boundary=foo"),
    "type-missing": _typed(b" ; boundary=foo"),
    "type-only-boundary": _typed(b" boundary=foo"),
    "type-typo": _typed(b" multipart-mixed; boundary=foo"),
    "type-blank-multi": _typed(b" multi part/mixed; boundary=foo"),
    "type-text": _typed(b" text/plain; boundary=foo"),
    "type-octets": _typed(b" application/octet-stream; boundary=foo"),
    "type-absent": b"Subject: x\n\n" + _PARTS,
    "twice": _typed(b" multipart/mixed; boundary=foo\nContent-Type: multipart/mixed; boundary=foo"),
    "twice-other-first": _typed(b" multipart/mixed; boundary=bar\nContent-Type: multipart/mixed; boundary=foo"),
    "twice-other-last": _typed(b" multipart/mixed; boundary=foo\nContent-Type: multipart/mixed; boundary=bar"),
    "twice-text-first": _typed(b" text/plain\nContent-Type: multipart/mixed; boundary=foo"),
    "twice-text-last": _typed(b" multipart/mixed; boundary=foo\nContent-Type: text/plain"),
    "twice-empty-first": _typed(b"\nContent-Type: multipart/mixed; boundary=foo"),
    "twice-empty-last": _typed(b" multipart/mixed; boundary=foo\nContent-Type:"),
}
PARAMETERS = {
    "case": _parameter(b"BoUNDary=foo"),
    "boundary-twice": _parameter(b"boundary=foo; boundary=bar"),
    "boundary-twice-last": _parameter(b"boundary=bar; boundary=foo"),
    "boundary-thrice": _parameter(b"boundary=bar; boundary=foo; boundary=baz"),
    "boundary-twice-same": _parameter(b"boundary=foo; boundary=foo"),
    "boundary-twice-quoted": _parameter(b'boundary="bar"; boundary="foo"'),
    "boundary-twice-case": _parameter(b"BOUNDARY=bar; boundary=foo"),
    "boundary-twice-comma": _parameter(b"boundary=bar, boundary=foo"),
    "boundary-twice-joined": _parameter(b'boundary="bar"boundary="foo"'),
    "boundary-twice-no-semicolon": _parameter(b"boundary=bar boundary=foo"),
    "boundary-in-boundary": _parameter(b'boundary="bar; boundary=foo"'),
    "rfc2231": _parameter(b"boundary*=us-ascii''foo"),
    "rfc2231-percent": _parameter(b"boundary*=us-ascii''%66%6F%6f"),
    "rfc2231-and-plain": _parameter(b"boundary=bar; boundary*=us-ascii''foo"),
    "plain-and-rfc2231": _parameter(b"boundary=foo; boundary*=us-ascii''bar"),
    "rfc2231-pieces": _parameter(b"boundary*0=f; boundary*1=oo"),
    "rfc2231-pieces-reversed": _parameter(b"boundary*1=oo; boundary*0=f"),
    "rfc2231-pieces-percent": _parameter(b"boundary*0*=''f; boundary*1*=%6Fo"),
    "rfc2231-pieces-gap": _parameter(b"boundary*0=foo; boundary*2=bar"),
    "rfc2231-pieces-and-plain": _parameter(b"boundary*0=f; boundary*1=oo; boundary=bar"),
    "rfc2231-pieces-twice": _parameter(b"boundary*0=bar; boundary*0=foo"),
    "rfc2231-zeros": _parameter(b"boundary*00=f; boundary*01=oo"),
    "unclosed-quote": _parameter(b'boundary="foo'),
    "unclosed-quote-parameter": _parameter(b'boundary="foo; charset=x'),
    "unopened-quote": _parameter(b'boundary=foo"'),
    "single-quotes": _parameter(b"boundary='foo'"),
    "single-quotes-kept": _parameter(b"boundary='foo'", boundary=b"'foo'"),
    "two-quotes": _parameter(b'boundary=""foo""'),
    "quote-within": _parameter(b'boundary=f"o"o'),
    "quote-within-kept": _parameter(b'boundary=f"o"o', boundary=b'f"o"o'),
    "quote-escaped": _parameter(b'boundary="f\\"oo"', boundary=b'f"oo'),
    "quote-escaped-cut": _parameter(b'boundary="foo\\"bar"', boundary=b"foo"),
    "quote-escaped-kept": _parameter(b'boundary="f\\"oo"', boundary=b'f\\"oo'),
    "text-after-quote": _parameter(b'boundary="foo"bar'),
    "text-after-quote-joined": _parameter(b'boundary="foo"bar', boundary=b"foobar"),
    "strings-joined": _parameter(b'boundary="fo" "o"'),
    "backslash": _parameter(b'boundary="f\\oo"'),
    "backslash-kept": _parameter(b'boundary="f\\oo"', boundary=b"f\\oo"),
    "backslash-bare": _parameter(b"boundary=f\\oo"),
    "backslash-bare-kept": _parameter(b"boundary=f\\oo", boundary=b"f\\oo"),
    "comment-last": _parameter(b"boundary=foo (bar)"),
    "comment-joined": _parameter(b"boundary=foo(bar)"),
    "comment-kept": _parameter(b"boundary=foo(bar)", boundary=b"foo(bar)"),
    "comment-first": _parameter(b"boundary=(bar)foo"),
    "comment-attribute": _parameter(b"boundary(bar)=foo"),
    "comment-before": _parameter(b"(bar)boundary=foo"),
    "comment-with-boundary": _parameter(b"(; boundary=bar;) boundary=foo"),
    "comment-hides": _parameter(b"x=y (; boundary=foo)"),
    "comment-unclosed": _parameter(b"boundary=foo (bar"),
    "comment-nested": _parameter(b"boundary=(a(b)c\\)d)foo"),
    "comment-quoted": _parameter(b'boundary="foo(bar)"', boundary=b"foo"),
    "blank-before-equals": _parameter(b"boundary =foo"),
    "blank-after-equals": _parameter(b"boundary= foo"),
    "fold-before-equals": _parameter(b"boundary\n =foo"),
    "fold-after-equals": _parameter(b"boundary=\n foo"),
    "fold-within-attribute": _parameter(b"bound\n ary=foo"),
    "fold-within": _parameter(b"boundary=fo\n o"),
    "fold-within-cut": _parameter(b"boundary=fo\n o", boundary=b"fo"),
    "fold-within-kept": _parameter(b"boundary=fo\n o", boundary=b"fo o"),
    "fold-within-quoted": _parameter(b'boundary="fo\n o"'),
    "fold-within-quoted-kept": _parameter(b'boundary="fo\n o"', boundary=b"fo o"),
    "fold-of-blanks": _parameter(b"x=y;\n  \n boundary=foo"),
    "blank-within": _parameter(b"boundary=foo bar"),
    "blank-within-kept": _parameter(b"boundary=foo bar", boundary=b"foo bar"),
    "blank-quoted-last": _parameter(b'boundary="foo "'),
    "blank-quoted-last-kept": _parameter(b'boundary="foo "', boundary=b"foo "),
    "blank-quoted-first": _parameter(b'boundary=" foo"'),
    "blank-quoted-first-kept": _parameter(b'boundary=" foo"', boundary=b" foo"),
    "blank-quoted-within": _parameter(b'boundary="foo bar"', boundary=b"foo bar"),
    "blanks-only": _parameter(b'boundary="  "', boundary=b"  "),
    "blanks-only-empty": _parameter(b'boundary="  "', boundary=b""),
    "tab-quoted-last": _parameter(b'boundary="foo\t"'),
    "empty": _parameter(b'boundary=""', boundary=b""),
    "empty-unquoted": _parameter(b"boundary=", boundary=b""),
    "empty-with-delimiter": _parameter(b'boundary=""'),
    "empty-then-other": _parameter(b"boundary=; boundary=foo"),
    "missing": _typed(b" multipart/mixed"),
    "missing-empty-delimiter": _typed(b" multipart/mixed", boundary=b""),
    "without-equals": _parameter(b"boundary foo"),
    "colon-for-equals": _parameter(b"boundary:foo"),
    "two-equals": _parameter(b"boundary==foo"),
    "two-equals-kept": _parameter(b"boundary==foo", boundary=b"=foo"),
    "comma-for-semicolon": _typed(b" multipart/mixed, boundary=foo"),
    "no-semicolon": _typed(b" multipart/mixed boundary=foo"),
    "colon-for-semicolon": _typed(b" multipart/mixed: boundary=foo"),
    "semicolons": _parameter(b";;; boundary=foo"),
    "nameless": _parameter(b"=; boundary=foo"),
    "valueless": _parameter(b"boundary; boundary=foo"),
    "junk-parameter": _parameter(b"junk; boundary=foo"),
    "in-other-quotes": _parameter(b'x="; boundary=foo'),
    "in-other-quotes-closed": _parameter(b'x="; boundary=foo; y="'),
    "behind-escaped-quote": _parameter(b'x="a\\"; boundary=bar; y="; boundary=foo'),
    "behind-escaped-backslash": _parameter(b'x="\\\\"; boundary=foo'),
    "semicolon-within": _parameter(b'boundary="foo;bar"', boundary=b"foo;bar"),
    "semicolon-within-cut": _parameter(b'boundary="foo;bar"'),
    "comma-within": _parameter(b"boundary=foo,bar"),
    "comma-within-kept": _parameter(b"boundary=foo,bar", boundary=b"foo,bar"),
    "encoded-word": _parameter(b"boundary==?us-ascii?Q?foo?="),
    "encoded-word-quoted": _parameter(b'boundary="=?us-ascii?B?Zm9v?="'),
    "encoded-word-kept": _parameter(b'boundary="=?us-ascii?Q?foo?="', boundary=b"=?us-ascii?Q?foo?="),
    "nul-last": _parameter(b"boundary=foo\0"),
    "nul-within": _parameter(b"boundary=foo\0bar"),
    "nul-within-dropped": _parameter(b"boundary=fo\0o"),
    "8bit-last": _parameter(b"boundary=foo\xff"),
    "8bit-kept": _parameter(b"boundary=foo\xff", boundary=b"foo\xff"),
    "8bit-attribute": _parameter(b"\xa0boundary=foo"),
    "control-last": _parameter(b"boundary=foo\x01"),
    "angle-brackets": _parameter(b"boundary=<foo>"),
    "percent": _parameter(b'boundary="f%6Fo"'),
    "bchars": _parameter(b"boundary=\"'()+_,-./:=?\"", boundary=b"'()+_,-./:=?"),
    "hyphens": _parameter(b"boundary=----", boundary=b"----"),
    "hyphens-last": _parameter(b"boundary=foo--", boundary=b"foo--"),
    "hyphens-last-cut": _parameter(b"boundary=foo--"),
    "one-letter": _parameter(b"boundary=f", boundary=b"f"),
    "long": _parameter(b"boundary=" + _LONG, boundary=_LONG),
    "longer": _parameter(b"boundary=" + _LONGER, boundary=_LONGER),
    "longer-cut": _parameter(b"boundary=" + _LONGER, boundary=_LONG),
    "other-case": _parameter(b"boundary=foo", boundary=b"FOO"),
    "prefix": _parameter(b"boundary=foo", boundary=b"foobar"),
    "shortened": _parameter(b"boundary=foobar", boundary=b"foo"),
    "other": _parameter(b"boundary=bar"),
    "in-disposition": _fielded(b"Content-Type: multipart/mixed\nContent-Disposition: inline; boundary=foo"),
    "in-disposition-too": _fielded(
        b"Content-Type: multipart/mixed; boundary=bar\nContent-Disposition: inline; boundary=foo"
    ),
    "many-parameters": _parameter(b"".join(b"p%d=x; " % number for number in range(300)) + b"boundary=foo"),
    "overlong": _parameter(b"x=" + b"y" * 3000 + b"; boundary=foo"),
}
_MULTIPART = b" multipart/mixed; boundary=foo"
FIELDS = {
    "name-upper": _fielded(b"CONTENT-TYPE:" + _MULTIPART),
    "name-blank": _fielded(b"Content-Type :" + _MULTIPART),
    "name-tab": _fielded(b"Content-Type\t:" + _MULTIPART),
    "name-underscore": _fielded(b"Content_Type:" + _MULTIPART),
    "name-no-hyphen": _fielded(b"ContentType:" + _MULTIPART),
    "name-no-colon": _fielded(b"Content-Type" + _MULTIPART),
    "name-semicolon": _fielded(b"Content-Type;" + _MULTIPART),
    "name-equals": _fielded(b"Content-Type=" + _MULTIPART),
    "name-two-colons": _fielded(b"Content-Type::" + _MULTIPART),
    "name-colon-first": _fielded(b":Content-Type:" + _MULTIPART),
    "name-comment": _fielded(b"Content-Type(x):" + _MULTIPART),
    "name-comment-within": _fielded(b"Content-(x)Type:" + _MULTIPART),
    "name-quoted": _fielded(b'"Content-Type":' + _MULTIPART),
    "name-nul": _fielded(b"Content-Type\0:" + _MULTIPART),
    "name-8bit": _fielded(b"Content-Type\xa0:" + _MULTIPART),
    "name-8bit-first": _fielded(b"\xef\xbb\xbfContent-Type:" + _MULTIPART),
    "name-encoded-word": _fielded(b"=?us-ascii?Q?Content-Type?=:" + _MULTIPART),
    "name-folded": _fielded(b"Content-\n Type:" + _MULTIPART),
    "name-colon-folded": _fielded(b"Content-Type\n :" + _MULTIPART),
    "fold-first": _fielded(b" Content-Type:" + _MULTIPART),
    "fold-behind": _fielded(b"X-Any: thing\n Content-Type:" + _MULTIPART),
    "behind-junk": _fielded(b"X-Any: thing\njunk\nContent-Type:" + _MULTIPART),
    "behind-blanks": _fielded(b"X-Any: thing\n \nContent-Type:" + _MULTIPART),
    "behind-empty-line": _fielded(b"X-Any: thing\n\nContent-Type:" + _MULTIPART),
    "behind-carriage-return": _fielded(b"X-Any: thing\rContent-Type:" + _MULTIPART),
    "behind-two-carriage-returns": _fielded(b"X-Any: thing\r\rContent-Type:" + _MULTIPART),
    "behind-from-line": _fielded(b"From me@example.com Mon Jan  1 00:00:00 2026\nContent-Type:" + _MULTIPART),
    "behind-many-fields": _fielded(
        b"".join(b"X-%d: y\n" % number for number in range(400)) + b"Content-Type:" + _MULTIPART
    ),
    "version-missing": _fielded(b"Subject: x\nContent-Type:" + _MULTIPART),
    "version-other": _fielded(b"Mime-Version: 2.0 (x)\nContent-Type:" + _MULTIPART),
    "version-nonsense": _fielded(b"Mime-Version: none\nContent-Type:" + _MULTIPART),
    "encoding-of-multipart": _fielded(b"Content-Type:" + _MULTIPART + b"\nContent-Transfer-Encoding: base64"),
    "encoding-of-multipart-qp": _fielded(
        b"Content-Type:" + _MULTIPART + b"\nContent-Transfer-Encoding: quoted-printable"
    ),
    "encoding-of-multipart-unknown": _fielded(b"Content-Type:" + _MULTIPART + b"\nContent-Transfer-Encoding: x-any"),
}
DELIMITERS = {
    "blank": _divided(_PARTS.replace(b"--foo\n", b"--foo \n")),
    "tab": _divided(_PARTS.replace(b"--foo\n", b"--foo\t\n")),
    "blanks": _divided(_PARTS.replace(b"--foo\n", b"--foo" + b" " * 1000 + b"\n")),
    "junk": _divided(_PARTS.replace(b"--foo\n", b"--foo junk\n")),
    "junk-joined": _divided(_PARTS.replace(b"--foo\n", b"--foojunk\n")),
    "junk-second": _divided(b"--foo\n@T\n--foojunk\n@P\n--foo--\n"),
    "semicolon": _divided(_PARTS.replace(b"--foo\n", b"--foo;\n")),
    "nul": _divided(_PARTS.replace(b"--foo\n", b"--foo\0\n")),
    "nul-before": _divided(_PARTS.replace(b"--foo\n", b"\0--foo\n")),
    "form-feed": _divided(_PARTS.replace(b"--foo\n", b"--foo\f\n")),
    "vertical-tab": _divided(_PARTS.replace(b"--foo\n", b"--foo\v\n")),
    "hyphen": _divided(_PARTS.replace(b"--foo\n", b"--foo-\n")),
    "blank-before": _divided(_PARTS.replace(b"--foo", b" --foo")),
    "blank-before-second": _divided(b"--foo\n@T\n --foo\n@P\n--foo--\n"),
    "blank-within": _divided(_PARTS.replace(b"--foo", b"-- foo")),
    "blank-hyphens": _divided(_PARTS.replace(b"--foo", b"- -foo")),
    "one-hyphen": _divided(_PARTS.replace(b"--foo", b"-foo")),
    "three-hyphens": _divided(_PARTS.replace(b"--foo", b"---foo")),
    "no-hyphens": _divided(_PARTS.replace(b"--foo", b"foo")),
    "quoted": _divided(_PARTS.replace(b"--foo", b'--"foo"')),
    "carriage-return": _divided(_PARTS.replace(b"--foo\n", b"--foo\r")),
    "two-carriage-returns": _divided(_PARTS.replace(b"--foo\n", b"--foo\r\n")),
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
    "preamble": _divided(b"preamble\n\n" + _PARTS),
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
_MESSAGE = b"Subject: x\n" + _typed(_MULTIPART)


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
    "as-text": b"Content-Type: text/plain\n\n" + _PARTS,
    "as-html": b"Content-Type: text/html\n\n" + _PARTS,
    "as-octets": b"Content-Type: application/octet-stream\n\n" + _PARTS,
    "as-text-part": _nested(b"Content-Type: text/plain\n\n" + _PARTS.replace(b"foo", b"bar")),
    "single": b"@P",
    "single-versioned": b"Mime-Version: 1.0\n@P",
}
_ENCODERS = {
    "base64": ("base64", encodebytes),
    "qp": ("quoted-printable", lambda octets: b2a_qp(octets, istext=True).replace(b"\r\n", b"\n") + b"\n"),
    "uu": (
        "x-uuencode",
        lambda octets: b"begin 644 a.eml\n"
        + b"".join(b2a_uu(octets[at : at + 45]) for at in range(0, len(octets), 45))
        + b"`\nend\n",
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
            inner = _PARTS if kind == "multipart" else _MESSAGE
            encoded = encode(filled(inner, text, part)).replace(b"\n", b"\r\n")
            head = b"Content-Type: %b\r\nContent-Transfer-Encoding: %b\r\n\r\n" % (declared, word.encode())
            made[f"encoded-{kind}-{how}"] = head + encoded
    return made
