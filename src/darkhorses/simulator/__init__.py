"""A stand-in for The Racing API on loopback: simulated race days, or recorded answers replayed.

True in this package: every answer is a pure function of the seed, the schedule and the instant,
so that the same question at the same instant gets the same bytes, and a price history agrees
with the prices that were served before. Nothing here is copied from the real feed: courses are
real places, everything that runs there is invented.
"""

from darkhorses.simulator.running import Options, Simulator, running_simulator

__all__ = ["Options", "Simulator", "running_simulator"]
