"""What `runner new` writes, as it is written: `files/`.

Left out: writing it (`runner.commands.new`).
"""
