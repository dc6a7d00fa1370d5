"""python -m live"""

from live.cli import app

app(prog_name="live")
