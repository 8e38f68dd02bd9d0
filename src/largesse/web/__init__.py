"""The Django project: settings, addresses, sign-in and pages.

Owns how the product meets a browser. Must not decide anything about money: pages call services and
selectors. Invariant: everything a browser may do passes through the middleware that is named in
`settings`.
"""
