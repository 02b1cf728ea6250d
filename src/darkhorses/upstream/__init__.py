"""The Racing API: asking it politely, and understanding what it says.

True in this package: a request is paced before it is sent, an answer is decoded once and never a
dict after that, a failure has one of the names in ``errors``, and a failed read is never an empty
result.
"""
