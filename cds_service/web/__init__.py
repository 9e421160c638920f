"""HTTP that is not CDS Hooks: the API, and what operators ask for."""
