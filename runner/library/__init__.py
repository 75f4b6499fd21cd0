"""Ready-made stages that any pipeline may name as its handler; `docs/library.md` tells how.

    mail/   SendMail sends a mail; Mailer is for a stage that writes its own

A ready stage imports what its users may import, from `runner` and from `runner.library`,
and nothing else of the runner.
"""
