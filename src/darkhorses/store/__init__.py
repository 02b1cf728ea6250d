"""PostgreSQL: everything that is kept, and the only place where SQL runs.

Source of truth: ``ra_odds_changes`` is what happened, ``ra_odds_live`` its newest state, written in
one transaction. Every write of the market carries a number of ``market_revision``; one fenced
worker writes at a time, so "revision > mine" never misses a commit. SQL stands by name in
``sql/*.sql``. Modules here read; those under ``writing`` write and are the worker's alone.
"""
