"""Telling a person, by mail or webhook, when something needs one, and when it is over.

    conditions.py  what is wrong now, and which of it is news: decides only
    watch.py       looks at the run from time to time
    delivery.py    each notice to each channel, tried again until it is taken
    mail.py        a notice as a mail
    webhook.py     a notice as a signed request

Left out: where it runs (see `processes/alerting.py`), and how the file says it (see `pipeline.Alerts`).
"""
