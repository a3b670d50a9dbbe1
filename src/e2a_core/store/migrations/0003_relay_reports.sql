-- Reports about mail that left under the relay's own address come back to it, and find their inbox by these.
CREATE INDEX messages_relayed ON messages (email_message_id) WHERE sent_as = 'relay';
CREATE INDEX messages_relayed_as ON messages (provider_message_id) WHERE sent_as = 'relay';
