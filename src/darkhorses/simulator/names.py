"""Names: real courses, and invented horses and people to fill them."""

from random import Random

import msgspec

from darkhorses.simulator.chance import chance


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A course as the feed names it; ``jumps`` and ``flat`` are what is run there."""

    course_id: str
    course: str
    region_code: str
    region: str
    flat: bool
    jumps: bool
    all_weather: bool = False


# course: what is run there (f flat, j jumps, a all-weather)
_BRITAIN = {
    "Aintree": "j", "Ascot": "fj", "Ayr": "fj", "Bangor-on-Dee": "j", "Bath": "f",
    "Beverley": "f", "Brighton": "f", "Carlisle": "fj", "Cartmel": "j", "Catterick": "fj",
    "Chelmsford (AW)": "a", "Cheltenham": "j", "Chepstow": "fj", "Chester": "f",
    "Doncaster": "fj", "Epsom": "f", "Exeter": "j", "Fakenham": "j", "Ffos Las": "fj",
    "Fontwell": "j", "Goodwood": "f", "Hamilton": "f", "Haydock": "fj", "Hereford": "j",
    "Hexham": "j", "Huntingdon": "j", "Kelso": "j", "Kempton": "j", "Kempton (AW)": "a",
    "Leicester": "fj", "Lingfield (AW)": "a", "Ludlow": "j", "Market Rasen": "j",
    "Musselburgh": "fj", "Newbury": "fj", "Newcastle (AW)": "a", "Newmarket": "f",
    "Newton Abbot": "j", "Nottingham": "f", "Perth": "j", "Plumpton": "j", "Pontefract": "f",
    "Redcar": "f", "Ripon": "f", "Salisbury": "f", "Sandown": "fj", "Sedgefield": "j",
    "Southwell (AW)": "a", "Stratford": "j", "Taunton": "j", "Thirsk": "f", "Uttoxeter": "j",
    "Warwick": "j", "Wetherby": "fj", "Wincanton": "j", "Windsor": "f",
    "Wolverhampton (AW)": "a", "Worcester": "j", "Yarmouth": "f", "York": "f",
}  # fmt: skip
_IRELAND = {
    "Ballinrobe": "fj", "Bellewstown": "fj", "Clonmel": "j", "Cork": "fj", "Curragh": "f",
    "Down Royal": "fj", "Downpatrick": "j", "Dundalk (AW)": "a", "Fairyhouse": "fj",
    "Galway": "fj", "Gowran Park": "fj", "Kilbeggan": "j", "Killarney": "fj", "Leopardstown": "fj",
    "Limerick": "fj", "Listowel": "fj", "Naas": "fj", "Navan": "fj", "Punchestown": "j",
    "Roscommon": "fj", "Sligo": "fj", "Thurles": "j", "Tipperary": "fj", "Tramore": "fj",
    "Wexford": "j",
}  # fmt: skip
_FRANCE = {"Chantilly": "f", "Deauville": "f", "Auteuil": "j", "Lyon Parilly": "f"}

REGIONS = (
    ("Australia", "aus"), ("France", "fr"), ("Germany", "ger"), ("Great Britain", "gb"),
    ("Hong Kong", "hk"), ("Ireland", "ire"), ("Turkey", "tur"), ("United Arab Emirates", "uae"),
)  # fmt: skip
"""Regions of the feed, as ``courses/regions`` has them: name and code."""


def _places() -> tuple[Place, ...]:
    places = []
    for first_id, code, region, courses in (
        (910_001, "gb", "Great Britain", _BRITAIN),
        (920_001, "ire", "Ireland", _IRELAND),
        (930_001, "fr", "France", _FRANCE),
    ):
        for position, (course, runs) in enumerate(courses.items()):
            places.append(
                Place(
                    course_id=f"crs_{first_id + position}",
                    course=course,
                    region_code=code,
                    region=region,
                    flat="f" in runs or "a" in runs,
                    jumps="j" in runs,
                    all_weather="a" in runs,
                )
            )
    return tuple(places)


PLACES = _places()


def _words(text: str, between: str | None = None) -> tuple[str, ...]:
    return tuple(text.split(between))


_FIRST_WORDS = _words(
    "Amber Ancient Another April Autumn Bold Bonny Border Brave Bright Bronze Calm Candle Captain "
    "Castle Cherry Chosen Clever Coastal Copper Coral Crimson Crystal Dancing Daring Distant "
    "Double Eastern Ember Emerald Evening Faithful Falling Fearless Fennel First Flying Forest "
    "Forty Gallant Garden Gentle Gilded Golden Granite Harbour Harvest Hazel Hidden High Hollow "
    "Honest Humble Indigo Island Ivory Jolly Juniper Kindred Lady Lantern Little Lone Lucky Maple "
    "Marble Meadow Merry Midnight Mighty Misty Modern Mountain Mystic Noble Northern Ocean Old "
    "Olive Open Orchard Paper Patient Pearl Pilgrim Plain Polar Proud Purple Quiet Rapid Ready "
    "River Rolling Rowan Royal Ruby Running Saffron Scarlet Second Secret Shadow Silent Silver "
    "Simple Singing Slate Snowy Solid Southern Spring Steady Stone Stormy Summer Sunny Swift "
    "Tender Third Thunder Timber Travelling True Twilight Twin Upland Velvet Village Violet "
    "Wandering Welcome Western Whispering White Wild Willow Winter Wooden Young"
)
_LAST_WORDS = _words(
    "Abbey Acre Admiral Anchor Answer Arrow Ballad Banner Barley Beacon Bell Blossom Boy Breeze "
    "Bridge Brook Cadet Canyon Chapel Charm Chorus Cloud Comet Compass Corner Cottage Courier "
    "Cove Crown Dancer Dawn Dream Drum Duke Echo Fable Falcon Fiddler Field Flame Flight Forge "
    "Fortune Fox Gate Ginger Girl Glen Grove Guest Harper Haven Heather Hero Hill Holiday Horizon "
    "Hunter Jester Jewel Journey Keeper King Knight Ladder Lane Lark Ledger Legend Letter Light "
    "Lodge Lullaby Mariner Market Mason Melody Merchant Mill Minstrel Mirage Moon Morning Myth "
    "Nation Oak Oath Outlook Painter Parade Path Penny Pilot Piper Poet Promise Quarry Queen Quest "
    "Rain Ranger Reason Rebel Reef Ridge Ripple Road Robin Rose Sage Sailor Saint Scholar Sergeant "
    "Shore Signal Sky Smith Song Sparrow Spirit Star Steps Story Stream Study Summit Sunrise Tale "
    "Tempest Theatre Tide Tower Trail Treasure Trick Tune Valley Verse View Voyage Wager Walk "
    "Warden Water Wave Way Whistle Wind Wings Wish Wonder Wood Yard"
)
_GIVEN = _words(
    "Aidan Alec Alice Amy Anna Barney Beth Bridget Callum Cathal Charlie Ciara Colm Connor Daisy "
    "Declan Dermot Edie Ella Eoin Fergus Finn Fiona Gavin Grace Harry Hugh Iona Isla Jack Jess "
    "Joe Josie Kate Kevin Kieran Laura Leo Liam Lorna Lucy Luke Maeve Martin Meg Molly Niall Niamh "
    "Nora Oisin Oscar Owen Patrick Phoebe Polly Rory Rosie Ross Ruth Sam Sean Shane Sophie Tess "
    "Theo Tilly Toby Tom Una Wes"
)
_FAMILY = _words(
    "Abbotson Ardern Ashgrove Ballard Barnwell Beckley Birkin Blakemore Brannock Brereton Carrow "
    "Castley Cawthorne Clough Corrigan Cranley Culhane Dunmore Eastwick Elphick Fallowes Farrant "
    "Fenwick Garrity Glanville Gorman Greaves Halloran Harkin Hartley Haughey Hobday Inchley "
    "Kearsley Kilbride Lambton Larkham Lenihan Lowther Maddock Marwood Mellor Millican Moorcroft "
    "Mulvey Netherby Oakden Ollerton Pendle Pickering Quinlan Radley Rafferty Ridsdale Rooke "
    "Salter Scanlan Selwood Shardlow Skelton Stanhope Stirrup Tansley Thorley Tierney Tolland "
    "Underhill Vickers Wakeham Wardle Westcott Whelan Winslade Yarrow"
)
_TOWNS = _words(
    "Lambourn, Berks|Newmarket, Suffolk|Malton, N Yorks|Middleham, N Yorks|Ditcheat, Somerset|"
    "Epsom, Surrey|Arundel, W Sussex|Naunton, Gloucs|Curragh, Co Kildare|Cloghan, Co Meath|"
    "Fethard, Co Tipperary|Kelso, Borders|Upper Lambourn, Berks|Hambleton, N Yorks",
    between="|",
)
_SPONSORS = (
    "Barley Mow", "Castle Bakery", "Dray Horse Ales", "Friends Of The Course", "Green Lane Garage",
    "Harbour Lights", "Hill Farm Feeds", "Ladies Day", "Market Square", "Old Mill",
    "Orchard Cider", "Racing Club", "Riverside Hotel", "Saddlers", "Sunday Lunch",
    "Weekend Brunch", "Winter Warmer", "Yeomanry",
)  # fmt: skip

_PAIRS = len(_FIRST_WORDS) * len(_LAST_WORDS)


def horse_name(seed: int, number: int) -> str:
    """The horse with a number; numbers near each other never share a name."""
    step = (number * 7_919 + seed * 104_729) % (_PAIRS * 3)
    form, pair = divmod(step, _PAIRS)
    first = _FIRST_WORDS[pair // len(_LAST_WORDS)]
    last = _LAST_WORDS[pair % len(_LAST_WORDS)]
    return (f"{first} {last}", f"The {first} {last}", f"My {first} {last}")[form]


def parent_name(dice: Random) -> str:
    """A sire or dam."""
    return f"{dice.choice(_FIRST_WORDS)} {dice.choice(_LAST_WORDS)}"


def people(seed: int, role: str, first_id: int, count: int) -> tuple[tuple[str, str], ...]:
    """People in a role (``jky``, ``trn``, ``own``) as id and name; no name twice."""
    dice = chance(seed, "people", role, first_id)
    pairs = dice.sample(range(len(_GIVEN) * len(_FAMILY)), count)
    return tuple(
        (
            f"{role}_{first_id + position}",
            f"{_GIVEN[pair % len(_GIVEN)]} {_FAMILY[pair // len(_GIVEN)]}",
        )
        for position, pair in enumerate(pairs)
    )


def town(dice: Random) -> str:
    """Where a trainer lives."""
    return dice.choice(_TOWNS)


def sponsor(dice: Random) -> str:
    """Who pays for a race."""
    return dice.choice(_SPONSORS)
