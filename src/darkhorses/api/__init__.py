"""The REST API and the board: what the read model holds, encoded once and served to many.

True in this package: nothing is written; a live body is built at most once per state of the
market; every live row says when it was last checked and whether that is too long ago; every error
is a problem of RFC 9457 and tells nothing of the inside.
"""
