"""What the program tells of itself.

logs.py  one calm line an event, as text or as JSON
"""
