"""Jobs that ask a served model about samples: domains by their questions, reasoning distilled from a teacher."""
