"""What stands before each page of the local stack, as the settings have it."""

from __future__ import annotations

from pathlib import Path

from starlette.types import ASGIApp

from pipelines.base.context import Sections
from pipelines.base.errors import SettingsError
from pipelines.base.home import Home
from pipelines.base.small_files import mode_for_others
from pipelines.stack.airflow_home import passwords_file
from pipelines.stack.params import ServicesParams
from serving.params import ServingParams
from serving.transport.logins import Login
from serving.transport.page_guard import PageGuard, PageRules


def guard_page(app: ASGIApp, rules: PageRules, settings: Sections, home: Home) -> PageGuard:
    """Return a page behind its guard; see `serving.transport.page_guard.PageGuard`."""
    params = settings.section(ServicesParams)
    login = Login()
    if params.login:
        # Airflow's user, or a token that the forecast service takes.
        token_file = settings.section(ServingParams).token_file
        login = Login(passwords=page_passwords(settings, home), token_file=token_file)
    return PageGuard(app, rules, allowed_hosts=params.allowed_hosts, login=login)


def check_token_file(path: str) -> None:
    """Refuse a token file before anything starts that would only end the service.

    Raises
    ------
    SettingsError
        If it is missing or empty, or others may read it.
    """
    if not path:
        return
    try:
        Login(token_file=path)
        mode = mode_for_others(Path(path))
    except (OSError, ValueError) as error:
        raise SettingsError(str(error)) from error
    if mode:
        msg = f"serving.token_file={path} may be read by others (mode {mode}); chmod 600 {path}"
        raise SettingsError(msg)


def page_passwords(settings: Sections, home: Home) -> Path | None:
    """Return the file of names and passwords, None where no page asks for one."""
    return passwords_file(home.airflow) if settings.section(ServicesParams).login else None
