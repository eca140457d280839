"""Large jobs: an input in shards, a folder that any engine fills with their results."""
