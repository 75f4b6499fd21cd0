"""The development mailbox: a mail server of one's own, which keeps every mail.

    server.py   takes mails by SMTP
    maildir.py  keeps them in a folder, and reads them

Left out: sending a mail on. Nothing ever leaves from here.
"""
