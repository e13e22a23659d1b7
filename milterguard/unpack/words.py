# SPDX-License-Identifier: GPL-3.0-or-later
"""Words of a mail that may be the password of what is attached to it.

Those that stand behind a word for *password* come first, then what stands alone on a line, then what
looks made up: digits, or letters and digits mixed. Pure and linear.
"""

import re

_BEFORE = re.compile(
    r"(?:passwor[dt]|pass(?:code|phrase)?|pwd?|kennwort|pin|code|mot de passe|contrase\w*|clave|senha|wachtwoord"
    r"|has[lł]o|heslo|парол\w*|пароль|密码|密碼|パスワード|암호)"
    r"\W{1,20}(?:(?:is|ist|est|lautet|für|for|es|é|to)\b\W{0,5}){0,2}[\"'“„«`<\[(]?(\S{3,64})",
    re.IGNORECASE,
)
_ALONE = re.compile(r"^[ \t>]*(\S{3,64})[ \t\r]*$", re.MULTILINE)
_MADE_UP = re.compile(r"(?<!\S)\S{3,64}(?!\S)")
_AROUND = "\"'`“”„«»<>()[]{},;:!?."


def password_candidates(text: str, at_most: int) -> tuple[str, ...]:
    """Return up to ``at_most`` different words of the text, the most telling first."""
    found: dict[str, None] = {}
    for word in (*_BEFORE.findall(text), *_ALONE.findall(text), *filter(_is_made_up, _MADE_UP.findall(text))):
        for spelling in (word, word.strip(_AROUND)):
            if len(spelling) >= 3:
                found.setdefault(spelling)
        if len(found) >= at_most:
            break
    return tuple(found)[:at_most]


def _is_made_up(word: str) -> bool:
    return any(each.isdigit() for each in word)
