"""The golden trajectories: their cases, flags and JSON files, for a checker in any language."""
