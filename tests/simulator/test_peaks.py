from darkhorses.simulator.peaks import Peak, Peaks


class Seconds:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_most_requests_of_any_second_and_any_ten_are_kept() -> None:
    seconds = Seconds()
    peaks = Peaks(seconds)
    for now in (100.9, 101.0, 101.1, 102.0, 110.95, 130.0):
        seconds.now = now
        peaks.note("courses")

    # From 101.0 on exactly a second: 101.0 is not of the second that ends with 102.0.
    assert peaks.by_endpoint == {"courses": Peak(in_1_s=3, in_10_s=4)}
    assert peaks.of_all == Peak(in_1_s=3, in_10_s=4)


def test_endpoints_are_counted_by_themselves_and_together() -> None:
    peaks = Peaks(Seconds())
    for endpoint in ("courses", "results", "courses"):
        peaks.note(endpoint)

    assert {name: peak.in_1_s for name, peak in peaks.by_endpoint.items()} == {
        "courses": 2,
        "results": 1,
    }
    assert peaks.of_all.in_1_s == 3
