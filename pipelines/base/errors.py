"""Errors that a caller acts on differently, and the process exit code of each."""

EXIT_DONE = 0
EXIT_BAD_DATA = 65
EXIT_UNAVAILABLE = 69
EXIT_TRANSIENT = 75
EXIT_BAD_SETTINGS = 78
EXIT_NOTHING_TO_DO = 99


class BellwetherError(Exception):
    """Root of the errors that the platform raises on purpose."""

    exit_code = 1


class TransientError(BellwetherError):
    """Something that a later try may find mended: retry."""

    exit_code = EXIT_TRANSIENT


class UnavailableError(TransientError):
    """A part that the stage needs does not answer: retry."""

    exit_code = EXIT_UNAVAILABLE


class TerminalError(BellwetherError):
    """Something that no retry mends: do not retry."""

    exit_code = EXIT_BAD_DATA


class BadDataError(TerminalError):
    """Input that must not reach the tables below."""


class ContractViolation(BadDataError):
    """Rows of a table break its contract.

    Parameters
    ----------
    table, column : str
        Where the contract was broken.
    rows : str
        What was found, what is allowed and the next step.
    """

    def __init__(self, table: str, column: str, rows: str) -> None:
        super().__init__(f"{table}.{column}: {rows}")
        self.table = table
        self.column = column
        self.rows = rows


class QueryError(TerminalError):
    """A query that cannot be run as it was written."""


class LookAheadError(TerminalError):
    """A frame holds something that was not known at its cut."""


class NothingToDo(BellwetherError):
    """The session asked for is none of the exchange's, so there is nothing to do for it."""

    exit_code = EXIT_NOTHING_TO_DO


class SettingsError(TerminalError):
    """Settings that cannot be used: correct them first."""

    exit_code = EXIT_BAD_SETTINGS
