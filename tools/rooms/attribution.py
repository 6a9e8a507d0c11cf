"""Write the credits of the furniture models: `python -m tools.rooms.attribution > samples/ATTRIBUTION.md`.

Names, authors and licences come from the installed catalogues and the copyright file of Debian's
package sweethome3d-furniture.
"""

from tools.rooms import catalog
from tools.rooms.homes import ROOMS
from tools.rooms.models import Model

_HOLDERS = {
    "BlendSwap-CC-0": "Emmanuel Puybaret (eTeks, info@eteks.com) and other contributors, 2014",
    "BlendSwap-CC-BY": "The BlendSwap contributors",
    "KatorLegaz": "Andrew Kator & Jennifer Legaz, 2003-2008",
    "Scopia": "Scopia Visual Interfaces Systems, s.l. (http://www.scopia.es), 2010-2012",
}
_LICENCE_TEXTS = {
    "CC0 1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "CC-BY 3.0": "https://creativecommons.org/licenses/by/3.0/",
    "CC-BY 3.0 US": "https://creativecommons.org/licenses/by/3.0/us/",
}
_HEAD = """# Sample rooms: credits

The pictures show three furnished rooms, rendered by `tools/rooms`.
Walls, floors, windows, curtains, rugs, paintings and loose books are drawn by that package itself.
The furniture is from Debian's package `sweethome3d-furniture` 1.8.
Its models were scaled, placed and given physical materials for rendering; their authors do not endorse this project.

Regenerate the pictures with (mitsuba, mitsuba-oidn and sweethome3d-furniture installed; files that exist are kept):

    python -m tools.rooms --out samples

and their exact labels (depth, normals, reshading, principal curvature, segmentation) with:

    python -m tools.rooms --labels LABELS

"""


def credits() -> str:
    """The whole Markdown page."""
    rooms_of: dict[Model, list[str]] = {}
    for room in ROOMS.values():
        for piece in room.pieces:
            names = rooms_of.setdefault(piece.model, [])
            if room.name not in names:
                names.append(room.name)
    rows = sorted(
        ((catalog.find(model.library, model.number), names) for model, names in rooms_of.items()),
        key=lambda row: (row[0].library, row[0].name, row[0].number),
    )
    lines = ["| library | copyright | licence |", "|---|---|---|"]
    for library in sorted({entry.library for entry, _ in rows}):
        licence = catalog.LICENCES[library]
        lines.append(f"| {library} | {_HOLDERS[library]} | [{licence}]({_LICENCE_TEXTS[licence]}) |")
    lines += ["", "| model | author | licence | library, number | seen in |", "|---|---|---|---|---|"]
    for entry, names in rows:
        place = f"{entry.library}, {entry.number}"
        lines.append(f"| {entry.name} | {entry.creator} | {entry.licence} | {place} | {', '.join(names)} |")
    return _HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(credits(), end="")
