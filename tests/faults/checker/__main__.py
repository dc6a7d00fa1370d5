"""`make faults`: breaks things under real readers; exits with 1 when anything was lost, doubled or out of order.

python -m tests.faults.checker [--seconds 10] [--readers 500] [--rate 6] [--only node-killed,valkey-killed]
"""

import argparse
import sys
import tempfile
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import uvloop

from live.bench.crowd import raise_file_limit
from tests.faults.checker.fault import Fault
from tests.faults.checker.faults import FAULTS
from tests.faults.checker.report import HEAD, Report, explanation, summary
from tests.faults.checker.run import Plan, run

USUAL = Plan()


def say(text: str) -> None:
    """Progress, apart from the table."""
    print(text, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None, faults: Sequence[type[Fault]] = FAULTS, usual: Plan = USUAL) -> int:
    """Runs what was asked for and prints the table; returns the exit code. What is not asked for is as `usual`."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.checker", description=__doc__)
    parser.add_argument("--seconds", type=float, default=Plan.seconds, help="from breaking to mending")
    parser.add_argument("--readers", type=int, default=Plan.readers)
    parser.add_argument("--rate", type=float, default=Plan.rate, help="updates a second")
    parser.add_argument("--only", default="", help="names of faults, separated by commas")
    options = parser.parse_args(arguments)
    wanted = options.only.split(",") if options.only else [fault.name for fault in faults]
    if unknown := set(wanted) - {fault.name for fault in faults}:
        parser.error(f"no such fault: {', '.join(sorted(unknown))}; there are {', '.join(one.name for one in faults)}")
    raise_file_limit()
    plan = replace(usual, seconds=options.seconds, readers=options.readers, rate=options.rate)
    reports: list[Report] = []
    for fault in faults:
        if fault.name in wanted:
            reports.append(done(fault(), plan))
            say(reports[-1].row)
    print("\n".join([explanation(reports), "", HEAD, *(report.row for report in reports), "", summary(reports)]))
    return 0 if all(report.good for report in reports) else 1


def done(fault: Fault, plan: Plan) -> Report:
    """The report of one fault. Whatever keeps it from being done does not keep the others from it."""
    try:
        with tempfile.TemporaryDirectory(prefix="live-faults-") as directory:
            return uvloop.run(run(fault, plan, Path(directory), say))
    except Exception as error:
        traceback.print_exception(error)
        return Report(fault.name, fault.what, why=f"{type(error).__name__}, see above", failed=True)


if __name__ == "__main__":
    sys.exit(main())
