"""The Facts page: would the model have been right, had it known?"""
