"""What must not be shown, and how it is taken out of a text.

    masking.py    card numbers
    redaction.py  passwords in URLs, settings whose names say that they are secrets

Left out: deciding where. Whoever writes a text down calls these.
"""
