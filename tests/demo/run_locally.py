# SPDX-License-Identifier: GPL-3.0-or-later
"""``make run``: milterguard in the foreground with a configuration of its own under ``.run/``.

The machine's clamd and spamd are asked where they answer; where not, private ones are started
beside it. Ends with Ctrl-C, and so does all that it started.
"""

import contextlib
import os
import signal
import sys
from pathlib import Path

from tests.daemons import Clamd, Daemon, Milterguard, Spamd, private_folder
from tests.daemons.address import connect
from tests.house import upgrade

FOLDER = Path(".run")
LISTEN = "inet:8899@127.0.0.1"
CLAMD, SPAMD = "unix:/run/clamav/clamd.ctl", "inet:783@127.0.0.1"
MAIN_CF = """\
Put these lines into /etc/postfix/main.cf and run `postfix reload`:

    smtpd_milters = inet:127.0.0.1:8899
    milter_default_action = tempfail
    smtpd_forbid_bare_newline = normalize
    smtpd_forbid_bare_newline_exclusions =
"""


def main() -> int:
    """Run until interrupted; return milterguard's exit status."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    FOLDER.mkdir(exist_ok=True)
    with contextlib.ExitStack() as stack:
        scratch = stack.enter_context(private_folder())
        clamd = _address(stack, CLAMD, Clamd(scratch / "clamd", eicar_only=False))
        spamd = _address(stack, SPAMD, Spamd(scratch / "spamd"))
        milterguard = Milterguard(
            FOLDER.resolve(), clamd=clamd, spamd=spamd, listen=LISTEN, settings={"local": {"domains": ["example.com"]}}
        )
        upgrade(milterguard)
        with contextlib.suppress(KeyboardInterrupt), milterguard:
            print(f"milterguard serves {LISTEN}; Ctrl-C stops it.\n\n{MAIN_CF}\n{_where(milterguard)}", flush=True)
            milterguard.wait_ended(float("inf"))
    return 0


def _where(milterguard: Milterguard) -> str:
    """Return how to watch it, and how to ask it, from another terminal."""
    return f"""\
Its own domain is example.com. Its settings are written anew at each start. From another terminal:

    tail -f {milterguard.output}
    export MILTERGUARD_CONFIG={milterguard.configuration}
    {Path(sys.executable).with_name("milterguard")} check
"""


def _address(stack: contextlib.ExitStack, address: str, private: Clamd | Spamd) -> str:
    """Return the machine's scanner if it answers, else a private one that is started now."""
    with contextlib.suppress(OSError), connect(address):
        return address
    print(f"No {private.name} answers at {address}: starting a private one.")
    running: Daemon = stack.enter_context(private)
    assert running.is_running
    return private.socket


if __name__ == "__main__":
    os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    sys.exit(main())
