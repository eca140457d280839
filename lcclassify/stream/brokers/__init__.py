"""What is asked of Kafka clusters besides messages: rights, topics, offsets, what went wrong."""
