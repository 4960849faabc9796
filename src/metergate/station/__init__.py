"""The station: archive, collection, reading and pages of an estate, a Django project with one app a duty."""
