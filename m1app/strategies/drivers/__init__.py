"""What runs a strategy: on live engines, or on stored passes; and the ledger of what it costs."""
