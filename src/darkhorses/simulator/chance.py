"""Repeatable chance: a generator of random numbers per subject, whatever was drawn elsewhere."""

from random import Random


def chance(seed: int, *subject: object) -> Random:
    """A generator that depends on the seed and the subject alone."""
    return Random("/".join(map(str, (seed, *subject))))
