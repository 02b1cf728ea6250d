import pytest

from darkhorses.domain.bookmakers import BookmakerType, bookmaker_named


@pytest.mark.parametrize(
    ("spelling", "bookmaker_id"),
    [
        ("Boyle Sports", "boylesports"),
        ("BoyleSports", "boylesports"),
        ("Spread Ex", "spreadex"),
        ("Sporting Index", "sportingindex"),
        ("talkSPORT BET", "talksportbet"),
        ("10 Bet", "10bet"),
        ("SBK", "smarketssbk"),
        ("A Brand New Book", "abrandnewbook"),
    ],
)
def test_a_bookmaker_is_known_by_any_spelling(spelling: str, bookmaker_id: str) -> None:
    assert bookmaker_named(spelling).bookmaker_id == bookmaker_id


def test_exchanges_are_told_apart_from_their_sportsbooks() -> None:
    kinds = {name: bookmaker_named(name).bookmaker_type for name in ("Smarkets", "SmarketsSBK")}

    assert kinds == {"Smarkets": BookmakerType.EXCHANGE, "SmarketsSBK": BookmakerType.FIXED}
    assert bookmaker_named("Betfair Exchange").bookmaker_type is BookmakerType.EXCHANGE
    assert bookmaker_named("Betfair Sportsbook").bookmaker_type is BookmakerType.FIXED


def test_a_name_without_letters_is_nobody() -> None:
    with pytest.raises(ValueError, match="no letter"):
        bookmaker_named(" - ")
