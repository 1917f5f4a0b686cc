"""A Griffe extension: a setting made by `option(default, "text")` is documented by that text and shows its default."""

import ast

import griffe


class Options(griffe.Extension):
    """Reads `name: type = option(default, "text", choices=...)` in the bodies of classes."""

    def on_attribute_instance(self, *, node, attr: griffe.Attribute, **kwargs) -> None:
        call = getattr(node, "value", None)
        if not (isinstance(call, ast.Call) and ast.unparse(call.func) == "option" and len(call.args) == 2):
            return
        text = "".join(_words(part) for part in getattr(call.args[1], "values", [call.args[1]]))
        for more in call.keywords:
            if more.arg == "choices" and isinstance(more.value, ast.Tuple):
                text += f"; one of {', '.join(ast.unparse(each) for each in more.value.elts)}"
        attr.docstring = griffe.Docstring(f"{text.replace('%%', '%')}.", parent=attr)
        attr.value = attr.value.arguments[0]


def _words(part: ast.expr) -> str:
    """The text of a string, or of a piece of an f-string; what is computed becomes an ellipsis."""
    return part.value if isinstance(part, ast.Constant) else "..."
