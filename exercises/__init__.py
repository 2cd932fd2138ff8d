"""The exercises' checkers: one file a chapter, named for what the chapter is about.

It is installed as ``first_tensor_exercises``, a name that no folder of a reader's has.
A checker is found by the label it is registered under (`helpers.exercises`), so it can
move to another file without a word anywhere else. What each checker is tried on stands
next to it, in ``cases``.
"""
