# What milterguard and its tests use of libarchive-c, which carries no types.
from collections.abc import Iterator
from contextlib import AbstractContextManager

from . import ffi as ffi
from .exception import ArchiveError as ArchiveError

class ArchiveWrite:
    def add_file_from_memory(
        self, entry_path: str, entry_size: int, entry_data: bytes, filetype: int = ..., permission: int = ...
    ) -> None: ...

def file_writer(
    filepath: str, format_name: str, filter_name: str | None = ..., options: str = ..., passphrase: str | None = ...
) -> AbstractContextManager[ArchiveWrite]: ...
