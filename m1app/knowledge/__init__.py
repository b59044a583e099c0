"""Corpora of passages: read from files, searched, compared with question sets; corrected facts as a corpus."""
