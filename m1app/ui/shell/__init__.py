"""Shared by all pages: header, theme, custom components, the error boundary."""
