"""How people and machines look at a running stream: metrics, health, log, live figures."""
