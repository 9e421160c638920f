"""What the commands do, a module or two each; `cds_service.cli` says how they are called.

running.py      exit codes, and one line for every fault
assessing.py    assess: charts from files or from a FHIR server → JSON lines or text
listening.py    serve: the socket
serving.py      serve: one process or several, signals, the operations log
knowing.py      knowledge: check, list, show
known.py        knowledge: whatever has an id or a name
known_text.py   knowledge: the same for people
setting.py      settings, or one line that says what is wrong with them
tokens.py       bearer tokens out of files

demo and fixtures are the demo's own: `cds_service.demo`.
"""
