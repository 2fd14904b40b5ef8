"""The one kind of error that is the user's to mend."""


class UserError(Exception):
    """Something a person can mend: the message names the value, the rule and the command or the mend.

    The command line prints the message alone, with no traceback, and exits with 1.
    """
