"""The log: a line each, as text or as JSON, with the name of the request that it is about, and without secrets."""

import json
import logging
import re
from datetime import UTC, datetime
from typing import Any

from live.settings import Settings
from live.web.request_ids import REQUEST_ID

HIDDEN = "[hidden]"
SECRETS = re.compile(
    r"""live_[0-9a-f]{12}_[\w-]{43}                     # a token
    | (?<![\w-])[\w-]{43}(?![\w-])                      # a session, a sign-in link, what a provider is to bring back
    | (?<=://)[^/\s@]*:[^/\s@]+(?=@)                    # who connects to Redis, and with which password
    | eyJ[\w-]+\.[\w-]+\.[\w-]*                         # a provider's token (RFC 7519)
    | (?i:(?<=bearer\s)|(?<=basic\s))[\w.~+/=-]+
    | (?<=[?&\s"'](?:code)=)[^&\s"']+""",
    re.ASCII | re.VERBOSE,
)


def without_secrets(text: str) -> str:
    """The text, with whatever looks like a secret taken out: what is logged by others may have one."""
    return SECRETS.sub(HIDDEN, text)


class TextFormatter(logging.Formatter):
    """`2026-01-31 12:00:00,000 ERROR live: what happened [the request's name]`, and a traceback below it."""

    def format(self, record: logging.LogRecord) -> str:
        return without_secrets(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:
        request = REQUEST_ID.get()
        return super().formatMessage(record) + (f" [{request}]" if request else "")


class JSONFormatter(logging.Formatter):
    """An object a line: `time` (RFC 3339), `level`, `logger`, `message`; where there are any, `request` (its name),
    `error` (a traceback), and what else is told of a request (`method`, `path`, `status`, `ms`, `client`)."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": without_secrets(record.getMessage()),
        }
        if request := REQUEST_ID.get():
            line["request"] = request
        for name, value in getattr(record, "fields", {}).items():
            line[name] = without_secrets(value) if isinstance(value, str) else value
        if record.exc_info:
            line["error"] = without_secrets(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)


FORMATTERS = {
    "text": {"()": "live.logs.TextFormatter", "format": "%(asctime)s %(levelname)s %(name)s: %(message)s"},
    "json": {"()": "live.logs.JSONFormatter"},
}


def logging_of(settings: Settings) -> dict[str, Any]:
    """What `logging.config.dictConfig` takes. The level is that of Live's own lines: libraries only warn."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": FORMATTERS[settings.log_format]},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {"live": {"level": settings.log_level.upper()}},
    }
