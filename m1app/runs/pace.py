"""How often a run is saved and shown: the same for probes and sweeps."""

SAVE_SECONDS = 1.0
"""Between two saves of what runs; most that a power cut takes."""
FRAME_SECONDS = 0.1
"""Between two snapshots for a follower, at least."""
HEARTBEAT_SECONDS = 1.0
"""Between two snapshots without a change, so that a page that went away is noticed."""
OTHERS_POLL_SECONDS = 1.0
"""Between two looks into the database at what another process runs."""
FORGET_SECONDS = 60.0
"""A finished run is followed from memory for this long; afterwards it is read from the database."""
