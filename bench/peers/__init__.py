"""The peers: each does the job of a benchmark as its own documentation advises for speed,
with the same guarantees. Each file is a separate program; the extra `bench` installs their
packages. `AMQP_URL` tells them where their broker is."""
