"""The pages for people: server-rendered, and kept up to date by parts of themselves.

True in this package: every page is whole without JavaScript; what changes on it stands in one part
(``#live``) that has an address of its own, and the page's script puts a newer part in its place,
word by word. So every word on a page is said once, here.
"""
