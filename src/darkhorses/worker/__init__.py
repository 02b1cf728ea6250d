"""The worker: one leader looks at the feed and writes what changed; a standby waits to lead.

Source of truth for leadership is the lease in the database. Jobs run only while it is held; what is
known of the market lives in memory and is forgotten whenever it may differ from the database.
"""
