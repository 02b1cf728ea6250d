import pytest

from darkhorses.domain.redaction import HIDDEN, Redaction


def test_known_secrets_are_hidden_wherever_they_stand_the_longest_first() -> None:
    hide = Redaction(["hunter22", "hunter22-and-more", "", "no"])

    assert hide("x=hunter22-and-more, y=hunter22; no") == f"x={HIDDEN}, y={HIDDEN}; no"
    assert repr(hide) == "Redaction(…)"


@pytest.mark.parametrize(
    ("told", "hidden"),
    [
        ("postgresql://u:p@ss/w@h:5432/d failed", f"postgresql://u:{HIDDEN}@h:5432/d failed"),
        ("redis://:secret@h/0", f"redis://:{HIDDEN}@h/0"),
        ("?user=u&password=s3cret&x=1", f"?user=u&password={HIDDEN}&x=1"),
        ("Authorization: Basic c2ltdWxhdG9yOng=", f"Authorization: Basic {HIDDEN}"),
        ("bearer dh_0123456789abcdef", f"bearer {HIDDEN}"),
        (f"key dhk_ab12cd34ef_{'x' * 43}!", f"key dhk_ab12cd34ef_{HIDDEN}!"),
        ("signed with whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", f"signed with {HIDDEN}"),
    ],
)
def test_what_looks_like_a_secret_is_hidden_unknown(told: str, hidden: str) -> None:
    assert Redaction()(told) == hidden


@pytest.mark.parametrize(
    "plain",
    [
        "http://127.0.0.1:8000/api/races?at=2026-06-20T13:05:00Z",
        "expected postgresql://user:password@host:5432/database",
        "the account's plan is too small: a basic account",
        "https://hook.example/path",
    ],
)
def test_what_is_no_secret_stays(plain: str) -> None:
    assert Redaction(["short"])(plain) == plain
