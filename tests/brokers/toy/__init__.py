"""A third broker, as somebody else might write one: what the list of brokers needs, and no more.

url.py     toy:NAME
broker.py  keeps its messages as the embedded broker does, under a name of its own
"""
