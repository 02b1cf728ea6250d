"""Live odds for UK and Irish horse racing: collected, kept change by change, and served.

Data flows one way: ``upstream`` (bytes to records) → ``domain`` (what changed) → ``store``
(Postgres) → ``readmodel`` (the market in memory) → ``api``. The worker drives the first half,
the API the second; they meet only in the database.
"""

__version__ = "0.1.0"
