"""The error for mistakes that the user can fix."""


class UserError(Exception):
    """A mistake that the user can fix: the message says what happened, the value, the rule and the fix.

    The command line prints only the message, without a traceback, and exits with 1.
    """
