"""The exceptions that Corroborator raises on purpose.

::

    CorroboratorError
    ├── ConfigError          a file that the user wrote is wrong: a policy, texts, exemplars
    ├── DataError            a shipped data file is missing, changed or does not fit the others
    ├── InputError           a call was given something that is not a conversation
    ├── TurnError            a turn could not be judged
    ├── EncoderError         an encoder cannot be loaded, or is not the one the heads were fitted for
    └── AuditError           the audit store cannot do what was asked
        ├── StoreError       it cannot be opened, read or written (locked, full, damaged)
        ├── MasterKeyError   the master key is missing, wrong or kept in an unsafe place
        └── IntegrityError   its content is not what was written

No message, and no chained exception, ever holds the text of a conversation: who catches and logs
these exceptions leaks nothing.
"""

from pathlib import Path


class CorroboratorError(Exception):
    """The base of all; never raised itself."""


class ConfigError(CorroboratorError):
    """A file that the user wrote is wrong.

    Args:
        problem: what is wrong and how to mend it, in one sentence.
        file: the file it is in, where there is one.
        line: the line in that file, counted from 1.
    """

    def __init__(
        self, problem: str, file: str | Path | None = None, line: int | None = None
    ) -> None:
        self.problem, self.file, self.line = problem, file, line
        place = "" if file is None else f"{file}:{line}: " if line else f"{file}: "
        super().__init__(place + problem)


class DataError(CorroboratorError):
    """A shipped data file is missing, was changed, or does not fit the others."""


class InputError(CorroboratorError):
    """A call was given something that is not a conversation."""


class EncoderError(CorroboratorError):
    """An encoder cannot be loaded, or is not the one that the heads were fitted for."""


class AuditError(CorroboratorError):
    """The audit store cannot do what was asked."""


class StoreError(AuditError):
    """The audit store cannot be opened, read or written."""


class MasterKeyError(AuditError):
    """The master key is missing, wrong, or kept in an unsafe place."""


class IntegrityError(AuditError):
    """The content of the audit store is not what was written."""


class TurnError(CorroboratorError):
    """A turn could not be judged; the cause is named by its type alone, for it may hold text."""
