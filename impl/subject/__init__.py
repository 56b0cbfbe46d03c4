"""The parent's view of a subject: a client and its transports."""
