"""What the commands do, one module each; `cds_service.cli` says how they are called.

assessing.py    assess: charts from files or from a FHIR server → JSON lines or text
serving.py      serve: sockets, processes, signals
log_lines.py    serve: the operations log, one JSON object a line
knowing.py      knowledge: check, list, show
known.py        knowledge: whatever has an id or a name
known_text.py   knowledge: the same for people
loading.py      fixtures: load
setting.py      settings, or one line that says what is wrong with them
"""
