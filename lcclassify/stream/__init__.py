"""The stream: messages in, classifications out, each exactly once where the set-up allows it."""
