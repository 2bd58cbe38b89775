"""What the rooms above may catch from storage."""


class DatabaseUnavailable(Exception):
    """The database could not be reached, or went away before it answered.

    Whether a statement that was under way took effect is not known; ask by command id before doing it again.
    """
