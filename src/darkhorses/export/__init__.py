"""Whole tables as CSV, NDJSON or Parquet, in constant memory.

What is true here: one export is one snapshot of the database; rows are read, encoded and handed on
a few thousand at a time; prices stay exact, instants are UTC and days are days in every format;
an export that fails ends in an error and never in what looks like a whole file.
"""
