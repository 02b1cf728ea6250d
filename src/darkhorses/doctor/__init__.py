"""``darkhorses doctor``: looks at settings, database, workers and feed, and says how to mend them.

It changes nothing and asks the feed twice at most. A finding that fails makes the command fail; a
warning does not. No finding carries a secret.
"""

from darkhorses.doctor.examination import examine
from darkhorses.doctor.findings import Finding, Level

__all__ = ["Finding", "Level", "examine"]
