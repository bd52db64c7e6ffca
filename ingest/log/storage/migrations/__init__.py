"""Steps that bring an older store up to this version, run by `ingest.log.storage.base.migrate`."""
