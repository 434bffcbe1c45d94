"""A user's mirrors and proxies reach uv and Spark's Ivy."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.network import ivy_options, java_proxy_options, parse_pip_settings, uv_environment

LISTING = """\
global.index-url='https://mirror.example/simple'
global.timeout='30'
install.find-links='/wheels'
:env:.index-url='https://nearer.example/simple'
freeze.timeout='10'
"""


def test_pip_settings_take_variables_over_files_and_leave_other_commands_out() -> None:
    assert parse_pip_settings(LISTING) == {
        "index-url": "https://nearer.example/simple",
        "timeout": "30",
        "find-links": "/wheels",
    }


def test_uv_gets_pips_settings_under_its_own_names() -> None:
    environ = uv_environment({"PATH": "/bin"}, LISTING)
    assert environ == {
        "PATH": "/bin",
        "UV_DEFAULT_INDEX": "https://nearer.example/simple",
        "UV_FIND_LINKS": "/wheels",
        "UV_HTTP_TIMEOUT": "30",
        "UV_NO_PROGRESS": "1",
    }


@pytest.mark.parametrize("name", ["UV_DEFAULT_INDEX", "UV_INDEX_URL"])
def test_what_uv_was_told_itself_wins(name: str) -> None:
    environ = uv_environment({name: "https://own.example/simple"}, LISTING)
    assert environ[name] == "https://own.example/simple"
    assert "https://nearer.example/simple" not in environ.values()


def test_ivy_works_in_a_private_folder_and_reads_the_users_settings(tmp_path: Path) -> None:
    assert "spark.jars.ivySettings" not in ivy_options({}, tmp_path, tmp_path / "scratch")
    settings = tmp_path / ".ivy2" / "ivysettings.xml"
    settings.parent.mkdir()
    settings.touch()
    options = ivy_options({}, tmp_path, tmp_path / "scratch")
    assert options["spark.jars.ivy"] == str(tmp_path / "scratch")
    assert options["spark.jars.ivySettings"] == str(settings)


def test_java_is_told_of_the_proxy() -> None:
    environ = {"https_proxy": "http://proxy.example:3128", "no_proxy": "localhost,.example"}
    assert java_proxy_options(environ) == (
        "-Dhttps.proxyHost=proxy.example -Dhttps.proxyPort=3128 -Dhttp.nonProxyHosts=localhost|*.example"
    )


def test_without_a_proxy_java_is_told_nothing() -> None:
    assert java_proxy_options({"no_proxy": "localhost"}) == ""
