"""What the terminal is written with: text as it is, of which nothing steers the terminal, wherever it comes from."""

from rich.console import Console

from vade_tf.errors import visible

WIDE = 1000  # characters of a line in a file


class Plain(Console):
    """A console without markup and emoji; what cannot be printed is shown as an escape.

    Raises:
        BrokenPipeError: who read the text has seen enough.
    """

    def __init__(self, **where):
        super().__init__(markup=False, emoji=False, **where)
        if not self.is_terminal:  # no line is cut or broken
            self.width = WIDE

    def render_str(self, text: str, **more):
        return super().render_str("\n".join(map(visible, text.split("\n"))), **more)

    def on_broken_pipe(self):
        self.quiet = True
        raise BrokenPipeError
