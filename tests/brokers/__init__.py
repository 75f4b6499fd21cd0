"""The contract suite: one set of tests over both brokers."""
