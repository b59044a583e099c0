"""Strategies that look things up in corpora: passages in the prompt, or where the model asks for them."""
