"""The parent's view of a subject: a client, its transports, and what the subject can do."""
