class ArchiveError(Exception):
    msg: str | bytes | None
    errno: int | None
    retcode: int | None

    def __init__(
        self, msg: str, errno: int | None = ..., retcode: int | None = ..., archive_p: int | None = ...
    ) -> None: ...
