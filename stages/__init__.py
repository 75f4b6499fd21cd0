"""The handlers of the shipped pipeline's stages.

A folder `stages/` beside a user's own pipeline file counts to this package as well, so
that both kinds can be named there as `stages.…`.
"""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)
