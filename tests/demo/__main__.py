# SPDX-License-Identifier: GPL-3.0-or-later
"""The demonstration: send the letters, show what came of each, release one, explain one."""

import re
import signal
import sys
import time
from dataclasses import dataclass
from types import FrameType

from rich import box
from rich.console import Console
from rich.table import Table

from tests.daemons import Delivered, Milterguard, private_folder, send, toml, wait_until
from tests.demo.mail import USER, Letter, letters, message_id
from tests.house import STRANGER, House, open_house

SETTINGS: toml.Table = {
    "checks": {"clamd": {"retry_seconds": 0.0}},  # so that nobody waits for the stopped clamd's return
    "policy": {"store_on_reject": ["virus", "banned", "unchecked"], "contact": "help: https://mail.example.com/"},
    "recipient": [{"match": ["lover@example.com"], "spam_lover": True}],
}
_OURS = re.compile(r"X-(Spam|Virus|Quarantine|Amavis)|Subject", re.IGNORECASE)
console = Console(width=None if sys.stdout.isatty() else 150, highlight=False)


@dataclass(frozen=True, slots=True)
class Told:
    """What one letter came to."""

    letter: Letter
    reply: str
    seconds: float
    delivered: Delivered | None


def main() -> int:
    """Run the demonstration; everything that was started ends with it, also after Ctrl-C."""
    signal.signal(signal.SIGTERM, _interrupted)
    console.print("Starting clamd, spamd, Postfix and milterguard, all private, in one temporary folder …")
    started = time.monotonic()
    try:
        with private_folder() as folder, open_house(folder, settings=SETTINGS, eicar_only=False) as house:
            console.print(
                f"They answer after {time.monotonic() - started:.1f} s. Now {len(letters())} messages by SMTP.\n"
            )
            _show(house)
    except KeyboardInterrupt:
        console.print("\nInterrupted. All that was started has been stopped.")
        return 130
    console.print(f"\nAll that was started has been stopped, after {time.monotonic() - started:.0f} s.")
    return 0


def _interrupted(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _show(house: House) -> None:
    told = [_send(house, letter) for letter in letters()]
    console.print(_mail_table(told))
    assert told[-1].delivered is not None, "clamd is back, and its first message was not scanned"
    _heading("What lies in quarantine: milterguard quarantine list")
    _print_run(house.milterguard, "quarantine", "list")
    _release(house, told)
    _explain(house, told)


def _send(house: House, letter: Letter) -> Told:
    if not letter.needs_clamd:
        house.clamd.stop()
    started = time.monotonic()
    dialogue = send(
        house.postfix.port,
        letter.octets,
        sender="sender@sender.example",
        recipients=letter.recipients,
        client=STRANGER,
        helo=STRANGER["NAME"],
    )
    seconds = time.monotonic() - started
    delivered = None
    if dialogue.last.code == 250:
        wanted = message_id(letter.octets)
        delivered = house.sink.wait_for_message(lambda each: wanted in each.values("Message-ID"), timeout_seconds=30)
    if not letter.needs_clamd:
        house.clamd.start()
    return Told(letter, str(dialogue.last), seconds, delivered)


def _mail_table(told: list[Told]) -> Table:
    table = Table(title="The messages, and what came of them", box=box.ROUNDED, show_lines=True, title_justify="left")
    table.add_column("Message", style="bold", max_width=20)
    table.add_column("The SMTP client was told", max_width=44, overflow="fold")
    table.add_column("Delivered, with the fields that are new or changed", overflow="fold")
    table.add_column("ms", justify="right")
    for each in told:
        style = "green" if each.reply.startswith("2") else "yellow" if each.reply.startswith("4") else "red"
        table.add_row(
            each.letter.title, f"[{style}]{each.reply}[/]", _delivery_words(each), f"{each.seconds * 1000:.0f}"
        )
    return table


def _delivery_words(told: Told) -> str:
    if told.delivered is None:
        return "[dim]not delivered[/]"
    to = ", ".join(recipient.decode() for recipient in told.delivered.recipients)
    before = set(told.letter.octets.partition(b"\r\n\r\n")[0].decode().split("\r\n"))
    new = [
        f"{name}: {value}"
        for name, value in told.delivered.fields()
        if _OURS.match(name) and f"{name}: {value}" not in before
    ]
    return "\n".join([f"[green]to {to}[/]", *(line.replace("[", "\\[") for line in new)])


def _release(house: House, told: list[Told]) -> None:
    withheld = next(each for each in told if len(each.letter.recipients) == 2)
    wanted = message_id(withheld.letter.octets)
    listing = house.milterguard.cli("quarantine", "list", "--category", "spam", "--json").stdout
    found = re.search(r'"mail_id": *"([^"]+)"', listing)
    assert found is not None, listing
    _heading(f"The removed recipient asks for his copy: milterguard quarantine release {found[1]}")
    _print_run(house.milterguard, "quarantine", "release", found[1])

    def copies() -> list[Delivered]:
        return [each for each in house.sink.messages if wanted in each.values("Message-ID")]

    wait_until(lambda: any(USER.encode() in each.recipients for each in copies()), seconds=20, what="released mail")
    _heading("Asked for once more:")
    _print_run(house.milterguard, "quarantine", "release", found[1])
    wait_until(lambda: not house.postfix.queue(), seconds=20, what="an empty queue")
    mine = [each for each in copies() if USER.encode() in each.recipients]
    console.print(f"[bold]Delivered to {USER}: {len(mine)} time{'s' if len(mine) != 1 else ''}[/]")
    assert len(mine) == 1


def _explain(house: House, told: list[Told]) -> None:
    refused = next(each for each in told if "INFECTED" in each.reply)
    found = re.search(r"id=(\S{12})", refused.reply)
    assert found is not None
    _heading(f"Why was “{refused.letter.title}” refused? milterguard explain {found[1]}")
    wait_until(lambda: house.milterguard.cli("explain", found[1]).returncode == 0, seconds=20, what="the record")
    _print_run(house.milterguard, "explain", found[1])


def _heading(text: str) -> None:
    console.print(f"\n[bold]{text}[/]")


def _print_run(milterguard: Milterguard, *arguments: str) -> None:
    """Print what a command prints; breaking its lines is left to the terminal."""
    done = milterguard.cli(*arguments)
    assert done.returncode == 0, f"milterguard {' '.join(arguments)}: {done.stdout}{done.stderr}"
    console.print(done.stdout.rstrip(), markup=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
