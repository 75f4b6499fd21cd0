"""Ready-made stages that any pipeline may name as its handler; `docs/library.md` explains how.

    mail/   SendMail sends a mail; Mailer is for a stage that writes its own mails

A ready stage imports only what its users may import: from `runner` and from `runner.library`.
"""
