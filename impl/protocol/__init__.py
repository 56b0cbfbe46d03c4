"""The JSON-lines protocol: messages, values, errors, codec and schema."""
