"""Bytes of messages to records: Avro in its forms, JSON."""
