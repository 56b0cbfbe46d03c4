"""Programs in other languages behind the pipe: templates to copy, and the proof that the pipe is enough."""
