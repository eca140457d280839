"""Settings of a stream: where they are told, what they mean, what is missing."""
