"""What `make demo` shows: a FHIR server over the fixture patients, and the play that opens them."""
