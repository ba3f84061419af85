-- Until when a connector's secrets are being renewed: nobody else begins before then.
ALTER TABLE connectors ADD COLUMN renewing INTEGER;
