"""Sending a message to a webhook: where it may go, how it is signed, what the answer means.

True in this package: a connection is made to an address that was checked a moment before and to no
other, redirects are not followed, and nothing is read from the environment.
"""
