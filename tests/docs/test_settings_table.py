"""The README's settings are those of the code."""

from cds_service.settings import Settings
from docs.settings_table import settings_table, table_in_readme


def test_every_setting_has_a_sentence_that_fits_into_a_table() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert "|" not in field.description
        assert field.description.endswith("."), name


def test_the_readme_lists_the_settings_as_they_are() -> None:
    assert table_in_readme() == settings_table()
