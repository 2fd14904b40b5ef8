"""Errors that a person can mend, and how they are told apart from faults of the code."""


class EngineError(Exception):
    """Something a person can mend: the message names the value, the rule and the command that mends it."""


def is_mendable(error: BaseException) -> bool:
    """Tell whether the message alone says what to do, so that a traceback would only hide it.

    Tasks have an error of their own, which the engine knows by its name: it imports no task.
    """
    return isinstance(error, EngineError) or type(error).__name__ == "UserError"
