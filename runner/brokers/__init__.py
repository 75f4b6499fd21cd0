"""What carries the messages: the contract of a broker, and the brokers that fulfil it.

    base.py         the contract, in prose and in types
    survey.py       what is on a broker, compared with what a pipeline needs there
    exclusive.py    who moves messages or makes queues anew is alone at it
    registry.py     which broker a URL names: the only list
    answer.py       what one thread answers and another waits for
    outstanding.py  how much may wait to be confirmed
    embedded/       a SQLite file, for the processes of one machine
    rabbitmq/       RabbitMQ

To add a broker, write a package with the modules that `registry` names, run the
contract suite over it (`tests/brokers`), and add its line to the list.
"""
