"""What a race, a runner and a price are, and what changed between two looks at them.

True in this package: functions are pure, time is an argument, instants are aware UTC, prices are
decimals or fractions and never floats, and a record is never changed once made.
"""
