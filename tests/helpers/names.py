"""Names that some program reads as more than a name."""

HOSTILE = [
    r"$\frac{$x",
    "$",
    "$$",
    r"\$a_b%&#{}~^",
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "=cmd|' /C calc'!A0",
    "@SUM(A1)",
    "\u202eevil\u2066",
    "a\nb\tc\r",
    "\x1b[2J\x1b]0;title\x07",
    "\udcff\udcfe",
    "🦄🦄",
    "   ",
    "_hidden",
    "x" * 240,
    "{{ 7 * 7 }}",
    "`rm -rf`",
    "[red]bold[/",
    "%s %d {0}",
]
