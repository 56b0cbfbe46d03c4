"""One small adapter for each framework."""
