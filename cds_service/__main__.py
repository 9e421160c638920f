"""`python -m cds_service`: the same as `refractory-cds`."""

from cds_service.cli import main

if __name__ == "__main__":
    main()
