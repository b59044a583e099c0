"""The missing fact: would the model have been right, had it known?

A thinking that ended in a wrong answer is cut before a marked stretch, on its stored token ids, and goes on from there
with and without a corrected fact, several seeds each.
"""
