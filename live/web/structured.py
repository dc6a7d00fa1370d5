"""What search engines read of a story: a schema.org LiveBlogPosting as JSON-LD, with the members Google asks for.

https://schema.org/LiveBlogPosting, https://schema.org/CorrectionComment. Addresses are absolute where the site knows
its own; else they are paths, which resolve against the page (JSON-LD 1.1, 7.1).
"""

from collections.abc import Iterable, Sequence
from typing import Any

from live.model import Byline, Image, Story, Update
from live.render import plain, rfc3339, summary, title_of
from live.web.layout import Site

MOST_UPDATES = 100
"""Updates of a story that are told to search engines, the newest."""
Thing = dict[str, Any]


def live_blog(site: Site, logo: str, story: Story, updates: Sequence[Update]) -> Thing:
    """A story and its updates, newest first, as a LiveBlogPosting. Of withdrawn updates there is no word.

    Args:
        site: whose story it is.
        logo: path of the publisher's logo.
        story: as readers may have it.
        updates: those on the story's page.
    """
    address = site.at(f"/story/{story.slug}")
    publisher = _publisher(site, logo)
    thing: Thing = {
        "@context": "https://schema.org",
        "@type": "LiveBlogPosting",
        "@id": address,
        "url": address,
        "mainEntityOfPage": {"@type": "WebPage", "@id": address},
        "headline": story.headline,
        "description": summary(story.body),
        "articleBody": plain(story.body),
        "articleSection": list(story.sections),
        "inLanguage": story.language,
        "datePublished": rfc3339(story.published or story.first_created),
        "dateModified": rfc3339(max([story.version_created, *(update.version_created for update in updates)])),
        "coverageStartTime": rfc3339(story.published or story.first_created),
        "author": _authors(story.by) or [publisher],
        "publisher": publisher,
    }
    if story.coverage_end:
        thing["coverageEndTime"] = rfc3339(story.coverage_end)
    if story.image:
        thing["image"] = _image(site, story.image)
    shown = sorted((update for update in updates if update.retraction is None), key=_age)[:MOST_UPDATES]
    thing["liveBlogUpdate"] = [_posting(site, publisher, story, update) for update in shown]
    return thing


def _age(update: Update) -> tuple[float, str]:
    return -update.first_created.timestamp(), update.id


def _posting(site: Site, publisher: Thing, story: Story, update: Update) -> Thing:
    address = f"{site.at(f'/story/{story.slug}')}#u-{update.id}"
    thing: Thing = {
        "@type": "BlogPosting",
        "@id": address,
        "url": address,
        "headline": title_of(update),
        "articleBody": plain(update.body),
        "datePublished": rfc3339(update.published or update.first_created),
        "dateModified": rfc3339(update.version_created),
        "author": _authors(update.by) or _authors(story.by) or [publisher],
    }
    if update.image:
        thing["image"] = _image(site, update.image)
    if update.corrections:
        thing["correction"] = [
            {
                "@type": "CorrectionComment",
                "text": correction.note,
                "dateCreated": rfc3339(correction.at),
                "datePublished": rfc3339(correction.at),
            }
            for correction in update.corrections
        ]
    return thing


def _publisher(site: Site, logo: str) -> Thing:
    return {
        "@type": "NewsMediaOrganization",
        "name": site.name,
        "url": site.at("/"),
        "logo": {"@type": "ImageObject", "url": site.at(logo)},
    }


def _authors(by: Iterable[Byline]) -> list[Thing]:
    return [
        {"@type": "Person", "name": author.name} | ({"description": author.note} if author.note else {})
        for author in by
    ]


def _image(site: Site, image: Image) -> Thing:
    facts = {
        "caption": image.caption or image.alt,
        "creditText": image.credit,
        "width": image.width,
        "height": image.height,
    }
    given = {name: value for name, value in facts.items() if value is not None}
    return {"@type": "ImageObject", "url": site.at(image.src), **given}
