-- A row that decides where a secret is sent has a message authentication code
-- over its addresses and its client, made with a key that is derived from the
-- vault's key (`row_authentication.rs` lists the columns). Null until it is
-- made.

ALTER TABLE providers ADD COLUMN mac BLOB;
ALTER TABLE tokens ADD COLUMN mac BLOB;
ALTER TABLE flows ADD COLUMN mac BLOB;
