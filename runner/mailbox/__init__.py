"""The development mailbox: a local mail server, which keeps every mail.

    server.py   lets clients in
    smtp.py     takes mails from one of them
    maildir.py  keeps them in a folder, and reads them

Left out: sending a mail on. Nothing ever leaves from here.
"""
