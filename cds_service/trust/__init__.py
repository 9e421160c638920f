"""Who may call the service: tokens of known clients, how often they call, how many at once."""
