"""Texts that no chat template contains: rendered in the place of prompts, they show where a template puts them."""

SYSTEM, USER, ASSISTANT = "M1APPSYSTEMSTANDIN", "M1APPUSERSTANDIN", "M1APPASSISTANTSTANDIN"
