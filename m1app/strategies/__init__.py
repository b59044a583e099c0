"""Other ways to spend the tokens of a longer chain, evaluated from stored passes: votes, races, early exits."""
