"""What people are shown of texts from outside: no passwords of URLs, no value of ten thousand letters."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reader_fuzz import reader_fuzz

from hpcmbal.errors import DataError, SettingsError, shown_value
from hpcmbal.visible_text import begins_url, shortened, visible, without_credentials

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"sftp://ann:{SECRET}@host/study", "sftp://host/study"),
        (f"sftp://ann:{SECRET}@host:22/study answers not", "sftp://host:22/study answers not"),
        (f"https://host/x?token={SECRET}#{SECRET}", "https://host/x"),
        (f"no 'ftp://a:{SECRET}@b' and ssh://c:{SECRET}@d/e", "no 'ftp://b' and ssh://d/e"),
        (f"ftp://a:{SECRET}@b,https://c:{SECRET}@d/e", "ftp://b,https://d/e"),
        (f"https://ann:a/{SECRET}/b@host/x", "https://host/x"),
        (f"https://ann:a@b/{SECRET}@host/x", "https://host/x"),
        (f"HTTPS://ann:{SECRET}?#'@host/x", "HTTPS://host/x"),
        (f"--https://ann:{SECRET}@host", "--https://host"),
        (f"9p://ann:{SECRET}@host", "9p://host"),
        (str(Path(f"https://ann:{SECRET}@host/x")), "https:/host/x"),
        ("s3://bucket/a@b", "s3://bucket/a@b"),
        ("s3://bucket:9000/a@b", "s3://bucket:9000/a@b"),
        ("C:/pictures/a@b.png", "C:/pictures/a@b.png"),
        ("a: b@c, d/e@f", "a: b@c, d/e@f"),
    ],
)
def test_texts_lose_users_passwords_and_parameters_of_urls(text: str, shown: str) -> None:
    assert without_credentials(text) == visible(text) == shown


SCHEMES = st.sampled_from(["https", "sftp", "ssh+git", "x.y-z", "s3", "HTTP"])
USERS = st.text(st.characters(codec="ascii", categories=["L", "N"]), max_size=6)


@reader_fuzz(200)
@given(
    scheme=SCHEMES, user=USERS, before=st.sampled_from(["", " ", "'", "(", "=", "--", "\n"]), slashes=st.integers(1, 2)
)
def test_no_form_of_a_url_keeps_its_password(scheme: str, user: str, before: str, slashes: int) -> None:
    text = f"{before}{scheme}:{'/' * slashes}{user}:{SECRET}@host/x' is none"
    assert without_credentials(text) == f"{before}{scheme}:{'/' * slashes}host/x' is none"


@pytest.mark.parametrize(
    ("text", "is_url"), [("s3://b/x", True), ("https:/h", True), ("C:/x", False), ("./a:/b", False)]
)
def test_a_path_that_was_made_of_a_url_is_known(text: str, is_url: bool) -> None:
    assert begins_url(text) == is_url


def test_any_error_hides_passwords_and_cuts_endless_words() -> None:
    error = DataError(f"https://ann:{SECRET}@host/{'x' * 10_000} is no file.")
    assert SECRET not in str(error)
    assert len(str(error)) < 300
    assert str(error).endswith("x is no file.")


@pytest.mark.parametrize(
    "value",
    [
        "y" * 10_000,
        ["y"] * 3000,
        [["y" * 10_000] * 3000] * 3000,
        {"a": "y" * 10_000},
        {"a": [[["y"] * 3000] * 3000] * 3000},
        dict.fromkeys(range(9999)),
    ],
)
def test_a_value_is_shown_in_part(value: object) -> None:
    assert len(shown_value(value)) < 3000
    assert "more)" in shown_value(value) or "values)" in shown_value(value)


def test_what_is_short_is_shown_whole() -> None:
    assert shown_value(list(range(10))) == "0,1,2,3,4,5,6,7,8,9"
    assert shortened("x" * 200) == "x" * 200
    assert str(SettingsError("x " * 2000)) == "x " * 2000
