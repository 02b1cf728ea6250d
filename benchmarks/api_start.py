"""How soon ``darkhorses api`` is ready on a database that is up, and what memory it then takes."""

from benchmarks.api_process import a_filled_database, a_served_api
from benchmarks.figures import Figure, Run

_ADDRESSES = (
    "/",
    "/api/live-odds/races-by-stage",
    "/api/live-odds",
    "/api/races",
    "/api/movers?window=opening",
    "/api/opportunities",
)
_CODINGS = ("identity", "gzip", "br")


def measure(run: Run) -> list[Figure]:
    """Seconds to the first 200 of ``/health``, and megabytes once every kind of body was made."""
    seconds, used, resident, own = [], [], [], []
    with a_filled_database(times=run.times) as database:
        for _ in range(run.runs):
            with a_served_api(database) as api:
                seconds.append(api.ready_after)
                used.append(api.ready_cpu)
                for path in (*_ADDRESSES, f"/api/live-odds?race_date={database.race_date}"):
                    for coding in _CODINGS:
                        api.get(path, {"accept-encoding": coding}).raise_for_status()
                memory = api.memory()
                resident.append(memory[0])
                own.append(memory[1])
    return [
        Figure(name="api to ready", unit="s", goal=1.5, runs=tuple(seconds)),
        Figure(name="api to ready, processor time", unit="s", runs=tuple(used)),
        Figure(name="memory of the api, resident", unit="MB", goal=120, runs=tuple(resident)),
        Figure(name="memory of the api, its own alone", unit="MB", runs=tuple(own)),
    ]
