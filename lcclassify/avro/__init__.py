"""What is known of Avro's bytes wherever they lie: which schemas are followed, and file headers."""
