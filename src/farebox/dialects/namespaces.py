"""Tools in a namespace, which only Responses has, towards dialects whose tools have one flat name.

An encoder joins the names of a `FunctionTool` or a `ToolCall` with a namespace; Responses towards clients splits what
the model calls. Without this, tools of two namespaces could have one name, and Codex would not find the tool that is
called.
"""

_MARK = "__ns__"


def joined(namespace: str, name: str) -> str:
    """One flat name; the name itself where there is no namespace. Letters, digits and `_` are added, nothing else."""
    return f"{namespace}{_MARK}{name}" if namespace else name


def split(flat: str) -> tuple[str, str]:
    """Namespace and name of a flat name; the namespace is empty where none was joined."""
    namespace, mark, name = flat.partition(_MARK)
    return (namespace, name) if mark and namespace and name else ("", flat)
