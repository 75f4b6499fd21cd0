"""What must not be shown, and how it is taken out of a text.

    card_numbers.py  card numbers
    addresses.py     payers' addresses
    masking.py       both of them: what every text goes through that is written down for people
    files.py         files and folders that others of the machine may not read
    redaction.py     passwords in URLs, settings whose names say that they are secrets

Left out: deciding where. Whoever writes a text down calls these.
"""
