"""The handlers of this pipeline's stages: plain callables that know nothing of brokers."""
