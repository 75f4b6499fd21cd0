"""The peers: each does the job of a benchmark as its own documentation advises for speed,
with the same guarantees. Each file is a program of its own; its packages are the extra
`bench`. They are told where their broker is by `AMQP_URL`."""
