"""Fine-tuning: from reasoning traces and corrections to a model that thinks in its profile's format."""
