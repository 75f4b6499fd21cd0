"""`module:callable` and its settings → handlers, ready to be called.

    binding.py    the way in: a reference and settings → a factory, or every reason why not
    reference.py  module:callable → the callable
    modules.py    where its module comes from: the pipeline's folder first
    signature.py  what a handler's signature says
    coercion.py   a setting from the YAML → what a parameter's annotation asks for
    factory.py    makes handlers, one for each slot
    around.py     a handler around another
    problems.py   why a handler can't be made

Left out: calling them, which the worker does.
"""
