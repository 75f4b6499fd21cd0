"""What must not be shown, and how to remove it from a text.

    card_numbers.py  card numbers
    addresses.py     payers' addresses
    masking.py       all of it: every text that is written for people goes through it
    sealed.py        a sealed value as text: its token, its mask, and what a handler gets for it
    hashing.py       keys for keyed hashes
    nonces.py        what sealing needs for each value
    sealing.py       seals and opens values
    keyset.py        the keys, in their file
    revealed.py      the values that handlers have open now
    files.py         files and folders that other users of the machine may not read
    redaction.py     passwords in URLs, settings whose names say that they are secrets, what handlers got of these

Left out: where to apply it. The code that writes a text calls these.
"""
