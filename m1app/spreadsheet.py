"""Values in tables that spreadsheet programs open."""

# Spreadsheets interpret text that starts like this as a formula, which could send the table's content elsewhere.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def harmless(value: object) -> object:
    """Prefix text that looks like a formula with an apostrophe; return any other value as it is."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_STARTS) else value
