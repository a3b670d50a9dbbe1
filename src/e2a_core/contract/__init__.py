"""Models of the `/v1` API's JSON. No other module spells its field names."""
