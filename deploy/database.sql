-- What whoever runs PostgreSQL does once for Homebase, with psql as a
-- superuser; to run it again does no harm. The login owns the database and may
-- not make roles; the server works with the rights of homebase_runtime, which
-- owns nothing and cannot change an audit event.
SELECT 'CREATE ROLE homebase LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'homebase') \gexec
SELECT 'CREATE ROLE homebase_runtime NOLOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'homebase_runtime') \gexec
GRANT homebase_runtime TO homebase;
SELECT 'CREATE DATABASE homebase OWNER homebase TEMPLATE template0 ENCODING ''UTF8'' LOCALE ''C'''
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'homebase') \gexec
REVOKE CONNECT ON DATABASE homebase FROM PUBLIC;
