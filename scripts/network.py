"""Hand the user's own mirror, proxy and certificate settings on to uv and to Spark's Ivy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

_SCOPES = ("global", "install", ":env:")
_PIP_TO_UV = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "cert": "SSL_CERT_FILE",
}


def parse_pip_settings(listing: str) -> dict[str, str]:
    """Return option to value of `pip config list`; variables win over files, as they do for pip."""
    lines = re.findall(r"^(:env:|[\w-]+)\.([\w-]+)='(.*)'$", listing, re.MULTILINE)
    relevant = [
        (scope, option, value) for scope, option, value in lines if scope in ("global", "install", ":env:")
    ]
    ordered = sorted(relevant, key=lambda line: ("global", "install", ":env:").index(line[0]))
    return {option: value for _, option, value in ordered}


def uv_environment(environ: Mapping[str, str], listing: str) -> dict[str, str]:
    """Return `environ` with pip's settings under uv's names, where uv has none of its own.

    uv reads neither pip's files nor its variables; without this a mirror would have to be
    named twice.
    """
    settings = parse_pip_settings(listing)
    translated = {_PIP_TO_UV[option]: value for option, value in settings.items() if option in _PIP_TO_UV}
    if "UV_INDEX_URL" in environ:
        translated.pop("UV_DEFAULT_INDEX", None)
    if "timeout" in settings or "default-timeout" in settings:
        translated["UV_HTTP_TIMEOUT"] = settings.get("timeout") or settings["default-timeout"]
    return {**translated, "UV_NO_PROGRESS": "1", **environ}


def ivy_options(environ: Mapping[str, str], user_home: Path, scratch: Path) -> dict[str, str]:
    """Return the Spark options of one resolution: private to `scratch`, yet by the user's settings."""
    options = {
        "spark.jars.ivy": str(scratch),
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
    }
    settings = user_home / ".ivy2" / "ivysettings.xml"
    if settings.is_file():
        options["spark.jars.ivySettings"] = str(settings)
    proxy = java_proxy_options(environ)
    if proxy:
        options["spark.driver.extraJavaOptions"] = proxy
    return options


def java_proxy_options(environ: Mapping[str, str]) -> str:
    """Return the proxy variables in Java's words; Java does not read them itself."""
    words = []
    for scheme in ("http", "https"):
        address = environ.get(f"{scheme}_proxy") or environ.get(f"{scheme.upper()}_PROXY")
        parts = urlsplit(address) if address else None
        if parts and parts.hostname:
            words += [f"-D{scheme}.proxyHost={parts.hostname}", f"-D{scheme}.proxyPort={parts.port or 80}"]
    direct = (environ.get("no_proxy") or environ.get("NO_PROXY") or "").replace(" ", "").split(",")
    if words and direct != [""]:
        hosts = "|".join(f"*{host}" if host.startswith(".") else host for host in direct)
        words.append(f"-Dhttp.nonProxyHosts={hosts}")
    return " ".join(words)
