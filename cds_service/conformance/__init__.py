"""Whether a running deployment does what CDS Hooks asks, tried from outside, over HTTP only.

requirement.py        a numbered requirement, and what was found of it
table.py              all of them, in their order
replies.py            one answer: status, headers, JSON, or why there is none
deployment.py         the deployment that is tried: calls, and what they brought
tokens.py             client tokens, good and forged
chart.py, calls.py    invented patients, and calls about them
json_form.py          1   JSON in general
discovery.py          2   discovery
called.py             3   calls, well formed and not
templates.py          4   prefetch templates
prefetched.py         5   prefetched data, whole, in part and not at all
answered.py           7   the answer and its cards
suggested.py          7   suggestions, actions, links
given_feedback.py     8   feedback
secured.py            9   TLS, tokens, CORS
strict_clients.py     11  what strict clients look for besides
results.py            what was found, as text and as JSON
programme.py          the command
"""
