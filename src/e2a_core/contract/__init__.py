"""The JSON of the `/v1` API as models: the only place where its field names are spelled."""
