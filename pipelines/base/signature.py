"""Who runs this process, and where: what a decision in the ledger is signed with beside its given name."""

from __future__ import annotations

import os
import pwd
import socket


def account() -> str:
    """Return the name of the process's user; its number where the machine has no name for it.

    Asked of the system, because the environment says whatever its caller likes.
    """
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def host() -> str:
    """Return the machine's name."""
    return socket.gethostname()
