"""The exact values of the golden trajectories, and their JSON files."""
