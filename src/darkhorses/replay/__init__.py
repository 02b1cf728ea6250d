"""A race day of the past, lived through again: ``darkhorses replay``.

Source of truth: the stored day, which is only read. True in this package: a replay has a database
of its own, into which a writer repeats the day in the ordinary way (``domain/diff``,
``store/writing/market``), so that everything behind it is the real thing; the only clock is the
replayed one, and it never runs ahead of what was written; nothing of it is left at the end.

A price takes effect when it did (``coalesce(changed_at, seen_at)``), a withdrawal and the end of
a race when they were first seen. An entry of the log that repeats what stands, as a history may,
changes nothing. What is kept only as it is now (facts, each-way terms) is so all day, and races
count as looked at all the time: looks that found nothing leave no trace to go by.
"""
