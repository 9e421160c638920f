"""How charts travel: from files, from prefetch and from a FHIR server, as raw resources.

bundles.py       FHIR JSON → single resources, each still the bytes it came in
bundle_parts.py  the parts of a Bundle as they stand in JSON
heads.py         the little of a resource that says what it is, and whose
references.py    whose a resource is, and what a reference points at
charts.py        resources → one Chart a patient
files.py         files, folders, standard input → Charts
pieces.py        the same cut into pieces, for several processes
scattering.py    resources of any number of patients sorted on disk, and their Charts
sheaves.py       the files of those, a patient's resources together
frames.py        other records on their way between processes
lookups.py       names and shared resources of all Charts, on disk
queries.py       what is asked for, by prefetch and by search alike
pointed_at.py    what other resources point at: medications, trials, tumours
offers.py        what a server says of itself, so that what it has not is not asked for
credentials.py   servers that the service reads with credentials of its own
assertions.py    the token of such a server, for a signed assertion
client.py        a FHIR server: one read, one search, within a deadline
paging.py        a search with all its pages
links.py         base addresses, and which next page belongs to a search
failures.py      what a status means, and what is worth one more try
bodies.py        bodies, unzipped, up to a limit
allowed.py       which FHIR servers a hook call may name
connections.py   the same rules for the address that a connection is opened to
"""

import sys
from importlib.util import find_spec

# httpcore asks at each of its locks whether sniffio is there, and a module that is not there is
# looked for on the whole path every time: a quarter of what a fetch costs. None says no at once.
if "sniffio" not in sys.modules and find_spec("sniffio") is None:
    sys.modules["sniffio"] = None  # type: ignore[assignment] # the import system's own word for it
# httpx has a command line that nobody calls here, and loads rich for it: a tenth of a second.
if "httpx" not in sys.modules:
    sys.modules["httpx._main"] = None  # type: ignore[assignment]
