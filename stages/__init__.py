"""The stages of the shipped payment pipeline.

validate_payment.py  is a payment worth taking to a gateway?
process_payment.py   charges the card, once
send_email.py        tells the payer what became of it
cards.py             what a card number says by itself
gateways/            who charges a card: the simulated gateway, and one by HTTP
notification.py      what the payer learns, as a body on a queue
letters.py           a notification → a mail, by templates/
"""
