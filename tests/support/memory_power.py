"""The power of the machine in memory, and what else goes wrong at a chosen change."""

from __future__ import annotations


class PowerLostError(BaseException):
    """The simulated machine is off: no code of ours may catch this, as none runs on then."""


class Power:
    """Counts changes, and fails at the one that a test has chosen."""

    def __init__(self) -> None:
        self.changes = 0
        self.boot = 1
        self._changes_left: int | None = None
        self._error: BaseException = PowerLostError()
        self._off = False

    def fail_after(self, changes: int, error: BaseException) -> None:
        """Let so many more changes succeed; the next one raises ``error`` instead, once."""
        self._changes_left, self._error = changes, error

    def switch_on(self) -> None:
        """Begin anew, without a fault."""
        self._off, self._changes_left = False, None
        self.boot += 1

    def require(self) -> None:
        """Nothing works while the machine is off."""
        if self._off:
            raise PowerLostError

    def change(self) -> None:
        """Count a change, or fail instead of it."""
        self.require()
        if self._changes_left == 0:
            self._changes_left = None
            self._off = isinstance(self._error, PowerLostError)
            raise self._error
        if self._changes_left is not None:
            self._changes_left -= 1
        self.changes += 1
