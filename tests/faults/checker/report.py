"""What the checker found, as a table."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.faults.checker.ledger import Ledger, Post, Verdict

HEAD = (
    "| fault | accepted | 503 | sent again | given up | delivered | lost | doubled | disordered | cuts | resets "
    "| late polls | streams back in | polls back in |\n| --- |" + " --: |" * 13
)


@dataclass(frozen=True)
class Report:
    """Of one fault. Without a verdict it was not done; `why` says why, `failed` that it should have been."""

    name: str
    what: str
    posts: Sequence[Post] = ()
    ledgers: Sequence[Ledger] = ()
    verdict: Verdict | None = None
    streams: float = 0.0
    polls: float = 0.0
    """Seconds from the mending until every reader of that sort had everything posted till then."""
    why: str = ""
    failed: bool = False

    @property
    def good(self) -> bool:
        return self.verdict.good if self.verdict else not self.failed

    @property
    def row(self) -> str:
        if self.verdict is None:
            return f"| {self.name} | not done: {self.why} |" + " |" * 12
        posts, ledgers, verdict = self.posts, self.ledgers, self.verdict
        numbers = (
            sum(1 for post in posts if post.cursor),
            sum(post.unavailable for post in posts),
            sum(max(0, post.attempts - 1) for post in posts),
            sum(1 for post in posts if not post.cursor),
            verdict.delivered, verdict.lost, verdict.doubled, verdict.disordered,
            sum(ledger.connections - 1 for ledger in ledgers),
            sum(ledger.resets for ledger in ledgers),
            sum(ledger.late_polls for ledger in ledgers),
        )  # fmt: skip
        cells = [self.name, *map("{:,}".format, numbers), f"{self.streams:.1f} s", f"{self.polls:.1f} s"]
        return f"| {' | '.join(cells)} |"


def explanation(reports: Sequence[Report]) -> str:
    """What each fault is, as a list."""
    return "\n".join(f"- `{report.name}`: {report.what}" for report in reports)


def summary(reports: Sequence[Report]) -> str:
    """One sentence on all of it."""
    verdicts = [report.verdict for report in reports if report.verdict]
    lost, doubled, disordered = (
        sum(getattr(one, name) for one in verdicts) for name in ("lost", "doubled", "disordered")
    )
    accepted = sum(1 for report in reports for post in report.posts if post.cursor)
    delivered = sum(one.delivered for one in verdicts)
    left_out = len(reports) - len(verdicts)
    return (
        f"{len(verdicts)} faults{f' ({left_out} not done)' if left_out else ''}, {accepted:,} updates accepted, "
        f"{delivered:,} deliveries: {lost:,} lost, {doubled:,} doubled, {disordered:,} out of order."
    )
