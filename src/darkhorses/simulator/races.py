"""The facts of a simulated race: what is run, over what, for whom, and by which horses."""

from datetime import date, timedelta
from functools import lru_cache
from math import log
from random import Random

import msgspec

from darkhorses.simulator.chance import chance
from darkhorses.simulator.names import horse_name, parent_name, people, sponsor, town
from darkhorses.simulator.schedule import Slot

_FLAT_FURLONGS = (5, 6, 7, 8, 8, 10, 11, 12, 14, 16)
_JUMP_FURLONGS = (16, 16, 17, 20, 20, 24, 25)
_PRIZES = {2: 31_000, 3: 14_400, 4: 8_200, 5: 5_100, 6: 3_700}
_TOP_RATINGS = {2: 105, 3: 90, 4: 80, 5: 70, 6: 60}
_POUNDS_TO_EUROS = 1.6


class RunnerFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A runner as declared; ``strength`` is the logarithm of its chance, up to a constant.

    ``number`` is its saddle-cloth number, ``draw`` 0 over jumps, ``claim`` pounds; a reserve
    has a number behind the runners and neither jockey nor odds.
    """

    horse_id: str
    horse: str
    country: str
    number: int
    draw: int
    age: int
    sex: str
    sex_code: str
    pounds: int
    rating: int
    headgear: str
    form: str
    last_run: str
    jockey: str
    jockey_id: str
    claim: int
    trainer: str
    trainer_id: str
    trainer_location: str
    owner: str
    owner_id: str
    sire: str
    dam: str
    damsire: str
    strength: float
    reserve: bool = False


class RaceFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A race as declared; ``grade`` is 2-6 (1 for a big race), ``furlongs`` its distance."""

    slot: Slot
    race_name: str
    race_type: str
    grade: int
    handicap: bool
    big: bool
    furlongs: int
    yards: int
    going: str
    surface: str
    age_band: str
    sex_restriction: str
    prize: str
    prize_money: int
    currency: str
    runners: tuple[RunnerFacts, ...]
    reserves: tuple[RunnerFacts, ...]

    @property
    def irish(self) -> bool:
        """Whether it is run in Ireland: no classes, prizes in euros."""
        return self.slot.meeting.place.region_code == "ire"

    @property
    def race_class(self) -> str:
        """``Class 4``; empty outside Britain."""
        return f"Class {self.grade}" if self.slot.meeting.place.region_code == "gb" else ""

    @property
    def rating_band(self) -> str:
        """``0-80`` of a handicap."""
        return f"0-{_TOP_RATINGS.get(self.grade, 110)}" if self.handicap else ""

    @property
    def distance(self) -> str:
        """``2m53y``: miles, furlongs, yards."""
        miles, furlongs = divmod(self.furlongs, 8)
        parts = ((miles, "m"), (furlongs, "f"), (self.yards, "y"))
        return "".join(f"{number}{unit}" for number, unit in parts if number)

    @property
    def distance_round(self) -> str:
        """The same without yards."""
        miles, furlongs = divmod(self.furlongs, 8)
        return "".join(
            f"{number}{unit}" for number, unit in ((miles, "m"), (furlongs, "f")) if number
        )


class RaceMaker:
    """Makes the facts of races; each is kept for a while."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        codes = ("gb", "ire", "fr")
        self._riders = {
            (code, jumps): people(seed, "jky", 900_001 + 2_000 * at + 1_000 * jumps, 70)
            for at, code in enumerate(codes)
            for jumps in (False, True)
        }
        self._trainers = {
            code: people(seed, "trn", 900_001 + 1_000 * at, 90) for at, code in enumerate(codes)
        }
        self._owners = people(seed, "own", 900_001, 600)
        self.facts = lru_cache(maxsize=512)(self._facts)

    def _facts(self, slot: Slot) -> RaceFacts:
        dice = chance(self._seed, "race", slot.race_id)
        meeting = slot.meeting
        jumps = meeting.jumps
        place = meeting.place
        big = dice.random() < 0.04
        handicap = not big and dice.random() < 0.6
        grade = 1 if big else dice.choices((2, 3, 4, 5, 6), (1, 2, 5, 5, 4))[0]
        race_type = "Flat"
        last_jumps_race = jumps and slot.number == len(meeting.offs) - 1
        if last_jumps_race and not handicap:
            race_type = "NH Flat"
        elif jumps:
            race_type = dice.choice(("Hurdle", "Hurdle", "Chase"))
        furlongs = dice.choice(_JUMP_FURLONGS if jumps else _FLAT_FURLONGS)
        money = _PRIZES.get(grade, 120_000) + dice.randrange(0, 900, 7)
        currency = "€" if place.region_code == "ire" else "£"
        if currency == "€":
            money = int(money * _POUNDS_TO_EUROS)
        size = _field_size(dice, jumps=jumps, handicap=handicap, big=big)
        mares = dice.random() < 0.12
        meeting_dice = chance(self._seed, "meeting", meeting.key)
        going = meeting_dice.choice(
            ("Standard", "Standard To Slow")
            if place.all_weather
            else ("Good", "Good To Soft", "Soft", "Good To Firm", "Heavy")
        )
        if place.region_code == "ire" and not place.all_weather:
            going = going.replace("Good To Soft", "Yielding")
        youngest = dice.choice((3, 3, 4) if not jumps else (4, 4, 5))
        reserves = dice.choice((1, 2, 3)) if place.region_code == "ire" and size >= 14 else 0
        runners = self._runners(dice, slot, size + reserves, handicap=handicap, youngest=youngest)
        return RaceFacts(
            slot=slot,
            race_name=_race_name(
                dice, race_type=race_type, handicap=handicap, big=big, mares=mares, jumps=jumps
            ),
            race_type=race_type,
            grade=grade,
            handicap=handicap,
            big=big,
            furlongs=furlongs,
            yards=dice.choice((0, 0, 0, dice.randrange(10, 200))),
            going=going,
            surface="AW" if place.all_weather else "Turf",
            age_band=f"{youngest}yo+",
            sex_restriction="M" if mares and jumps else "F" if mares else "",
            prize=f"{currency}{money}" if currency == "€" else f"{currency}{money:,}",
            prize_money=money,
            currency=currency,
            runners=tuple(runners[:size]),
            reserves=tuple(
                msgspec.structs.replace(runner, reserve=True, jockey="", jockey_id="", draw=0)
                for runner in runners[size:]
            ),
        )

    def _runners(
        self, dice: Random, slot: Slot, count: int, *, handicap: bool, youngest: int
    ) -> list[RunnerFacts]:
        code = slot.meeting.place.region_code
        riders = dice.sample(self._riders[code, slot.meeting.jumps], count)
        draws = dice.sample(range(1, count + 1), count)
        spread = 0.75 if handicap else 1.15
        runners = []
        for position in range(count):
            trainer_id, trainer = dice.choice(self._trainers[code])
            owner_id, owner = dice.choice(self._owners)
            sex, sex_code = dice.choice(
                (("gelding", "G"), ("gelding", "G"), ("mare", "M"), ("filly", "F"), ("colt", "C"))
            )
            rating = max(40, int(dice.gauss(78, 16)))
            number = slot.serial * 40 + position
            jockey_id, jockey = riders[position]
            runners.append(
                RunnerFacts(
                    horse_id=f"hrs_9{number}",
                    horse=horse_name(self._seed, number),
                    country=dice.choice(("GB", "IRE", "IRE", "FR", "USA")),
                    number=position + 1,
                    draw=0 if slot.meeting.jumps else draws[position],
                    age=youngest + dice.choice((0, 1, 1, 2, 3, 4)),
                    sex=sex,
                    sex_code=sex_code,
                    pounds=(166 if slot.meeting.jumps else 138) - (position if handicap else 0),
                    rating=rating,
                    headgear=dice.choice(("", "", "", "p", "h", "b", "t", "tp")),
                    form=_form(dice, jumps=slot.meeting.jumps),
                    last_run=_last_run(dice),
                    jockey=jockey,
                    jockey_id=jockey_id,
                    claim=dice.choice((0, 0, 0, 0, 0, 3, 5, 7)),
                    trainer=trainer,
                    trainer_id=trainer_id,
                    trainer_location=town(dice),
                    owner=owner,
                    owner_id=owner_id,
                    sire=parent_name(dice),
                    dam=parent_name(dice),
                    damsire=parent_name(dice),
                    strength=dice.gauss(0, spread),
                )
            )
        return runners


def born(race_date: date, runner: RunnerFacts) -> str:
    """A date of birth that fits the age: every horse's birthday is the first of January."""
    spring = date(race_date.year - runner.age, 2, 1)
    return f"{spring + timedelta(days=int(runner.horse_id[-2:]))}"


def stones(pounds: int) -> str:
    """``9-12``: stones and pounds."""
    return f"{pounds // 14}-{pounds % 14}"


def _field_size(dice: Random, *, jumps: bool, handicap: bool, big: bool) -> int:
    if big or dice.random() < 0.05:
        return dice.randrange(14, 27)
    middle = 9.5 if handicap else 8.5
    return min(16, max(5 - int(jumps), round(dice.gauss(middle, 2.4))))


def _race_name(
    dice: Random, *, race_type: str, handicap: bool, big: bool, mares: bool, jumps: bool
) -> str:
    kind = {"Flat": "", "Hurdle": " Hurdle", "Chase": " Chase", "NH Flat": " Open NH Flat Race"}
    if handicap:
        what = f"Handicap{kind[race_type]}"
    elif big:
        what = "Stakes (Group 3)" if race_type == "Flat" else f"Grade 2{kind[race_type]}"
    else:
        what = dice.choice(("Novices'", "Maiden")) + (kind[race_type] or " Stakes")
    whom = ("Mares' " if jumps else "Fillies' ") if mares else ""
    return (
        f"{sponsor(dice)} {dice.choice(('Memorial', 'Supporting', 'Annual', 'Local'))} {whom}{what}"
    )


def _form(dice: Random, *, jumps: bool) -> str:
    marks = "1234567890" + ("PFU-" if jumps else "-")
    return "".join(dice.choice(marks) for _ in range(dice.choice((0, 2, 3, 5, 6, 6)))).strip("-")


def _last_run(dice: Random) -> str:
    days = int(min(900, 8 + dice.expovariate(1 / 30)))
    return dice.choice((str(days), str(days), str(days), f"{days} ({dice.randrange(5, 40)}F)", ""))


def fair_chances(strengths: list[float]) -> list[float]:
    """Chances of winning from strengths; they add up to 1."""
    top = max(strengths)
    weights = [2.718281828459045 ** (strength - top) for strength in strengths]
    total = sum(weights)
    return [weight / total for weight in weights]


def gumbel(dice: Random) -> float:
    """Noise under which the strongest of noisy strengths wins with exactly its fair chance."""
    return -log(-log(max(dice.random(), 1e-300)))
