-- The login's password is the one in the URL that Homebase is given.
\set password `sed 's|^[^:]*://homebase:\([^@]*\)@.*|\1|' /run/secrets/database_url`
ALTER ROLE homebase PASSWORD :'password';
