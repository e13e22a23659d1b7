# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that change while lookups go on."""

import logging
import threading
from pathlib import Path

import pytest

from milterguard.config.list_file import FileUse, ListFile, ListKind
from milterguard.config.list_reader import read_list
from milterguard.config.load import load
from milterguard.core.envelope import Traffic
from milterguard.lookup import live_file
from milterguard.lookup.live_file import LOOK_SECONDS, LiveFile, LiveFiles
from milterguard.lookup.policies import Policies


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def tick(self) -> None:
        self.now += LOOK_SECONDS


def entries(file: ListFile) -> tuple[str, ...]:
    return tuple(entry for entry, _, _ in file.lines)


def digest(file: ListFile) -> bytes:
    return file.digest


def opened(file: Path, clock: Clock) -> LiveFile[tuple[str, ...]]:
    first = read_list(FileUse(str(file), ListKind.SENDERS))
    live = LiveFiles([first], clock=clock).open(str(file), entries, kind=ListKind.SENDERS)
    assert live is not None
    return live


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "senders"
    path.write_text("a@example.com\n")
    return path


@pytest.fixture
def live(file: Path, clock: Clock) -> LiveFile[tuple[str, ...]]:
    return opened(file, clock)


def replace(file: Path, text: str) -> None:
    """Writes as the manual says: beside it, and renamed."""
    fresh = file.with_suffix(".new")
    fresh.write_text(text)
    fresh.rename(file)


def test_a_change_is_seen_at_the_next_look(
    file: Path, clock: Clock, live: LiveFile[tuple[str, ...]], caplog: pytest.LogCaptureFixture
) -> None:
    """A second later at most, and told once."""
    caplog.set_level(logging.INFO)
    assert live.content() == ("a@example.com",)
    replace(file, "b@example.com\nc@example.com\n")
    assert live.content() == ("a@example.com",)
    clock.tick()
    assert live.content() == ("b@example.com", "c@example.com")
    clock.tick()
    assert live.content() == ("b@example.com", "c@example.com")
    assert caplog.messages == [f"{file}: 2 entries hold now"]


def test_a_change_in_place_is_seen(file: Path, clock: Clock, live: LiveFile[tuple[str, ...]]) -> None:
    """Also one that keeps the size."""
    live.content()
    file.write_text("b@example.com\n")
    clock.tick()
    assert live.content() == ("b@example.com",)


def test_a_change_since_the_settings_were_read_is_seen_at_the_first_look(
    file: Path, live: LiveFile[tuple[str, ...]]
) -> None:
    """A worker may be born long after that."""
    replace(file, "b@example.com\n")
    assert live.content() == ("b@example.com",)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a@example.com\nnobody\n", "line 2: expected user@example.com, .*, found .*nobody"),
        ("/(/\n", "line 1: expected a regular expression of RE2"),
        (None, "expected a readable file, found No such file or directory"),
    ],
)
def test_the_last_good_content_stays(
    file: Path,
    clock: Clock,
    live: LiveFile[tuple[str, ...]],
    caplog: pytest.LogCaptureFixture,
    text: str | None,
    told: str,
) -> None:
    """The log has file and line, once; and says so when the file is good again, even if it is what it was."""
    caplog.set_level(logging.INFO)
    live.content()
    for _ in range(3):
        replace(file, text or "")
        if text is None:
            file.unlink()
        clock.tick()
        assert live.content() == ("a@example.com",)
    [warning] = caplog.records
    assert warning.levelno == logging.WARNING
    caplog_match(f"{file}: {told}.*; what stood there before still holds", warning.getMessage())
    replace(file, "a@example.com\n")
    clock.tick()
    assert live.content() == ("a@example.com",)
    assert caplog.messages[1:] == [f"{file}: 1 entries hold now"]
    assert caplog.records[1].levelno == logging.INFO


def caplog_match(pattern: str, text: str) -> None:
    with pytest.raises(AssertionError, match=pattern):
        raise AssertionError(text)


def test_another_complaint_is_told_too(
    file: Path, clock: Clock, live: LiveFile[tuple[str, ...]], caplog: pytest.LogCaptureFixture
) -> None:
    """Each once in a row."""
    live.content()
    for text in ("nobody\n", "#\nnobody\n", "#\nnobody\n# \n"):
        replace(file, text)
        clock.tick()
        live.content()
    assert [message.partition("expected")[0] for message in caplog.messages] == [
        f"{file}: line 1: ",
        f"{file}: line 2: ",
    ]


@pytest.mark.parametrize(("is_fresh", "reads"), [(True, 2), (False, 1)])
def test_a_file_just_written_is_read_again(
    file: Path,
    clock: Clock,
    live: LiveFile[tuple[str, ...]],
    monkeypatch: pytest.MonkeyPatch,
    is_fresh: bool,
    reads: int,
) -> None:
    """It may change once more without looking changed; one that has been left alone is not."""
    live.content()
    seen = []

    def counted(use: FileUse, *, known: ListFile) -> ListFile:
        seen.append(use)
        return read_list(use, known=known)

    monkeypatch.setattr(live_file, "read_list", counted)
    monkeypatch.setattr(live_file, "_STILL_FRESH", 10**18 if is_fresh else 0)
    replace(file, "b@example.com\n")
    for _ in range(2):
        clock.tick()
        assert live.content() == ("b@example.com",)
    assert len(seen) == reads


def test_nobody_waits_for_who_reads(
    file: Path, clock: Clock, live: LiveFile[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one thread reads, others have what stood there before."""
    live.content()
    reading, goes_on = threading.Event(), threading.Event()

    def slow(use: FileUse, *, known: ListFile) -> ListFile:
        reading.set()
        assert goes_on.wait(30)
        return read_list(use, known=known)

    monkeypatch.setattr(live_file, "read_list", slow)
    replace(file, "b@example.com\n")
    clock.tick()
    reader = threading.Thread(target=live.content)
    reader.start()
    assert reading.wait(30)
    assert live.content() == ("a@example.com",)
    goes_on.set()
    reader.join(30)
    assert live.content() == ("b@example.com",)


def test_a_file_is_opened_once_for_each_form(file: Path, clock: Clock) -> None:
    """And never one that no setting names."""
    files = LiveFiles([read_list(FileUse(str(file), ListKind.SENDERS))], clock=clock)
    first = files.open(str(file), entries, kind=ListKind.SENDERS)
    assert first is files.open(str(file), entries, kind=ListKind.SENDERS)
    other = files.open(str(file), digest, kind=ListKind.SENDERS)
    assert other is not None
    assert isinstance(other.content(), bytes)
    assert files.open(str(file), entries, kind=ListKind.RECIPIENTS) is None
    assert files.open("/etc/passwd", entries, kind=ListKind.SENDERS) is None


def test_policies_follow_their_files(tmp_path: Path, clock: Clock) -> None:
    """Lists, networks and tables; and begin with what was good when the settings were read."""
    for name, text in (("vips", "vip@example.com\n"), ("levels", "@example.com 5\n"), ("domains", "example.com\n")):
        (tmp_path / name).write_text(text)
    file = tmp_path / "milterguard.toml"
    file.write_text(
        f"[local]\ndomains = ['file:{tmp_path}/domains']\n"
        f"[[recipient]]\nmatch = ['file:{tmp_path}/vips']\nspam_lover = true\n"
        f"[[table]]\nsetting = 'spam_kill_level'\nfile = '{tmp_path}/levels'\n"
    )
    settings = load(file, environ={}).settings
    (tmp_path / "vips").unlink()
    policies = Policies(settings, files=LiveFiles(settings.files, clock=clock))
    first = policies.judged("vip@example.com", (), Traffic.INBOUND)
    assert (first.recipient.is_local, first.policy.spam_lover, first.policy.spam_kill_level) == (True, True, 5.0)
    assert dict(first.origins) == {
        "spam_lover": f"vip@example.com in {tmp_path}/vips, {file}: [[recipient]] 1",
        "spam_kill_level": f"@example.com in {tmp_path}/levels, {file}: [[table]] 1",
    }
    (tmp_path / "vips").write_text("other@example.com\n")
    replace(tmp_path / "levels", "@example.com 7\n")
    replace(tmp_path / "domains", "!example.com\n")
    clock.tick()
    second = policies.judged("vip@example.com", (), Traffic.INBOUND)
    assert (second.recipient.is_local, second.policy.spam_lover, second.policy.spam_kill_level) == (False, False, 7.0)
    assert policies.policy("other@example.com", Traffic.INBOUND).spam_lover
