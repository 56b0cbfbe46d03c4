"""The golden trajectories: cases, flags and files, for checkers in any language."""
