"""Which strategy for which question: fits, costs, searches, policies."""
