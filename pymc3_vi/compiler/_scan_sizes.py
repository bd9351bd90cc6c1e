"""Lengths of the axes of what a recursion reads and makes."""

__all__ = ["Sizes", "Unsupported"]


class Unsupported(Exception):
    """A step has something that is left to Theano."""


class Sizes:
    """Lengths of axes by number; axes that meet in an expression have one length, and one number in the end."""

    def __init__(self):
        self._parent, self._known = [], {}

    def new(self, known=None):
        number = len(self._parent)
        self._parent.append(number)
        if known is not None:
            self._known[number] = known
        return number

    def root(self, number):
        while self._parent[number] != number:
            number = self._parent[number]
        return number

    def known(self, number):
        return self._known.get(self.root(number))

    def join(self, one, two):
        one, two = self.root(one), self.root(two)
        lengths = {n for n in (self.known(one), self.known(two)) if n is not None}
        if len(lengths) > 1:
            raise Unsupported
        self._parent[two] = one
        if lengths:
            self._known[one] = lengths.pop()
