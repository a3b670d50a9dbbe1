"""The same contract over another deployment's `/v1` API."""
