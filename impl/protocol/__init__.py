"""The JSON-lines protocol: messages, values, errors and their encoding."""
