# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the settings have the keys: files, a table, a process of its own, or nowhere.

*Errors:* ConfigError for addresses that can never work, and from ``check_keys``.
"""

from milterguard.config.settings import Settings
from milterguard.errors import ConfigError, SignError
from milterguard.keys.client import SocketKeys
from milterguard.keys.database import DatabaseKeys
from milterguard.keys.ring import FileKeys, KeyRing, NoKeys


def ring_of(settings: Settings) -> KeyRing:
    """Return who has the keys that mail is signed with. Make it after the fork."""
    signing = settings.signing
    if signing.signer:
        return SocketKeys(signing.signer.removeprefix("unix:"), seconds=signing.signer_timeout_seconds)
    return own_ring(settings)


def own_ring(settings: Settings) -> KeyRing:
    """Return the keys that this process can read itself."""
    if not settings.dkim_keys and not settings.signing.keys_select:
        return NoKeys()
    files = FileKeys(settings.dkim_keys)
    return DatabaseKeys(files, settings.signing) if settings.signing.keys_select else files


def check_keys(settings: Settings) -> None:
    """Raise ConfigError for the first key file that cannot be used, with its entry."""
    for entry in settings.dkim_keys:
        try:
            FileKeys([entry]).keys(entry.domain)
        except SignError as error:
            raise ConfigError(entry.origin, "file", expected="a key that can be used", got=str(error)) from error
