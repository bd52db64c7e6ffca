"""Importers of other systems' files. Adding one takes its module, a line here, and its test."""

from ingest.importers.base import Importer
from ingest.importers.star import StarImporter

IMPORTERS: tuple[Importer, ...] = (StarImporter(),)
