"""What `runner new` writes, file by file: a folder for each example.

    hello/     the small pipeline to start from
    payments/  the shipped payment pipeline: links to the files at the top of the repository,
               which the wheel has as files

Left out: writing them (see `runner.commands.new`).
"""
