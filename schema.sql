-- The whole database of Homebase, in numbered steps.
--
-- A step is everything from its line "-- step N: title" to the next one. It
-- runs once, in one transaction, as the owner of the database, and its hash is
-- recorded: a step that has been released is never edited, a change is a new
-- step at the end. Expand first, contract a release later: the workers of the
-- release before still run while a step is applied.
--
-- House rules: every constraint is named, every indexed text column is
-- COLLATE "C", times are timestamptz, ids uuid (version 7, made by the program).

-- step 1: platform

-- Searching names by trigrams. The extension is trusted: the owner of the
-- database may create it.
CREATE EXTENSION IF NOT EXISTS pg_trgm;

-- What belongs to this one installation; exactly one row.
CREATE TABLE instance (
    singleton          boolean     NOT NULL DEFAULT true,
    -- The data directory that belongs to this database. NULL until the first
    -- worker has taken one.
    data_dir_id        uuid,
    -- Which secret signs and seals: a worker with another one must not start.
    -- It tells nothing about the secret. NULL until the first worker.
    secret_fingerprint bytea,
    -- When the secret took the place of another; NULL: it is the first one.
    secret_since       timestamptz,
    created_at         timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT instance_pkey PRIMARY KEY (singleton),
    CONSTRAINT instance_singleton_check CHECK (singleton)
);

INSERT INTO instance DEFAULT VALUES;

-- One row for each job that ever ran here. Whether one runs now is not in the
-- table: that is who holds the advisory lock (2, id), so a killed worker is
-- never listed as running.
CREATE TABLE jobs (
    -- An integer, so that it can be the second half of an advisory lock.
    id               integer     GENERATED ALWAYS AS IDENTITY,
    name             text        COLLATE "C" NOT NULL,
    next_run_at      timestamptz NOT NULL,
    last_run_at      timestamptz,
    -- NULL or before last_run_at: the run goes on, or its worker was killed.
    last_finished_at timestamptz,
    -- Of the last run that finished; NULL when it went well.
    last_error       text,
    -- Runs in a row that did not go well; each makes the wait longer.
    failures         integer     NOT NULL DEFAULT 0,
    CONSTRAINT jobs_pkey PRIMARY KEY (id),
    CONSTRAINT jobs_name_key UNIQUE (name)
);

-- step 2: audit

-- One row an event, partitioned by month so that old months go by dropping a
-- table. The partitions are made by the program (audit/partition.go), three
-- months ahead. mac is an HMAC over the canonical bytes of the row
-- (audit/mac.go) under the key that key_id recognises.
CREATE TABLE audit_events (
    id            uuid        NOT NULL,
    at            timestamptz NOT NULL,
    actor_user    uuid,
    actor_session uuid,
    actor_key     uuid,
    action        text COLLATE "C" NOT NULL,
    target        uuid,
    outcome       text COLLATE "C" NOT NULL,
    address       inet,
    request_id    text COLLATE "C" NOT NULL,
    details       jsonb       NOT NULL,
    key_id        text COLLATE "C" NOT NULL,
    mac           bytea       NOT NULL,
    CONSTRAINT audit_events_pkey PRIMARY KEY (at, id),
    CONSTRAINT audit_events_outcome_check CHECK (outcome IN ('ok', 'denied', 'failed'))
) PARTITION BY RANGE (at);

-- A person's own history, newest first.
CREATE INDEX audit_events_actor_idx ON audit_events (actor_user, at DESC, id DESC);
CREATE INDEX audit_events_target_idx ON audit_events (target, at DESC, id DESC);

-- What the events were, in a chain. A seal lists the events that it covers in
-- order; digest is a hash over their canonical bytes, hash a keyed one over
-- the seal before, the list and the digest. When old events are dropped their
-- seals stay, and the chain still verifies.
CREATE TABLE audit_seals (
    id            bigint      NOT NULL,
    at            timestamptz NOT NULL,
    event_ids     uuid[]      NOT NULL,
    first_at      timestamptz NOT NULL,
    last_at       timestamptz NOT NULL,
    digest        bytea       NOT NULL,
    previous_hash bytea       NOT NULL,
    hash          bytea       NOT NULL,
    key_id        text COLLATE "C" NOT NULL,
    CONSTRAINT audit_seals_pkey PRIMARY KEY (id)
);

-- step 3: identity

-- Addresses are ASCII and unique without case; they keep the case they were
-- given in. password_hash is Argon2id as a PHC string.
CREATE TABLE users (
    id            uuid        NOT NULL,
    email         text COLLATE "C" NOT NULL,
    name          text        NOT NULL DEFAULT '',
    status        text COLLATE "C" NOT NULL DEFAULT 'active',
    password_hash text        NOT NULL,
    revision      bigint      NOT NULL DEFAULT 1,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT users_pkey PRIMARY KEY (id),
    CONSTRAINT users_email_check CHECK (length(email) BETWEEN 3 AND 254),
    CONSTRAINT users_name_check CHECK (length(name) <= 200),
    CONSTRAINT users_status_check CHECK (status IN ('active', 'disabled'))
);

CREATE UNIQUE INDEX users_email_key ON users (lower(email));

-- A role is a set of permissions, "area:verb". The permission * stands for
-- all there are, also those that a later release brings; only admin has it.
CREATE TABLE roles (
    name        text COLLATE "C" NOT NULL,
    description text        NOT NULL DEFAULT '',
    permissions text[]      NOT NULL,
    builtin     boolean     NOT NULL DEFAULT false,
    revision    bigint      NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT roles_pkey PRIMARY KEY (name),
    CONSTRAINT roles_name_check CHECK (name ~ '^[a-z][a-z0-9_-]{0,39}$'),
    CONSTRAINT roles_description_check CHECK (length(description) <= 500)
);

INSERT INTO roles (name, description, permissions, builtin) VALUES
    ('admin', 'Everything, also managing users and the system.', '{*}', true),
    ('member', 'Keeps, reads and shares own files.', '{files:read,files:write,files:share}', true);

CREATE TABLE user_roles (
    user_id uuid NOT NULL,
    role    text COLLATE "C" NOT NULL,
    CONSTRAINT user_roles_pkey PRIMARY KEY (user_id, role),
    CONSTRAINT user_roles_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT user_roles_role_fkey FOREIGN KEY (role) REFERENCES roles (name)
);

CREATE INDEX user_roles_role_idx ON user_roles (role);

-- One row a signed-in device. counter is the refresh token that is valid now,
-- rt_key what its MAC is made with (together with the platform's secret),
-- seen_counter the newest counter that an access token has shown the client
-- to have received. An ended session keeps its row for a while, so that a
-- replayed token is told from an unknown one.
CREATE TABLE sessions (
    id               uuid        NOT NULL,
    user_id          uuid        NOT NULL,
    rt_key           bytea       NOT NULL,
    counter          bigint      NOT NULL DEFAULT 1,
    seen_counter     bigint      NOT NULL DEFAULT 0,
    user_agent       text        NOT NULL,
    address          inet,
    created_at       timestamptz NOT NULL DEFAULT now(),
    authenticated_at timestamptz NOT NULL DEFAULT now(),
    refreshed_at     timestamptz NOT NULL DEFAULT now(),
    last_used_at     timestamptz NOT NULL DEFAULT now(),
    idle_until       timestamptz NOT NULL,
    absolute_until   timestamptz NOT NULL,
    revoked_at       timestamptz,
    revoked_reason   text COLLATE "C",
    CONSTRAINT sessions_pkey PRIMARY KEY (id),
    CONSTRAINT sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT sessions_rt_key_check CHECK (length(rt_key) = 32),
    CONSTRAINT sessions_user_agent_check CHECK (length(user_agent) <= 256),
    CONSTRAINT sessions_revoked_check CHECK ((revoked_at IS NULL) = (revoked_reason IS NULL))
);

CREATE INDEX sessions_user_idx ON sessions (user_id, id);

-- What a user is told at the next sign-in, until told to forget it.
CREATE TABLE notices (
    id         uuid        NOT NULL,
    user_id    uuid        NOT NULL,
    kind       text COLLATE "C" NOT NULL,
    device     text        NOT NULL DEFAULT '',
    address    inet,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT notices_pkey PRIMARY KEY (id),
    CONSTRAINT notices_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);

CREATE INDEX notices_user_idx ON notices (user_id, id);

-- What scripts sign in with. hash is the SHA-256 of the key, which is shown
-- once and kept nowhere; hint is how it begins, to recognise one that was
-- found. A key may do what is in permissions and what its owner may do, from
-- an address in allow (anywhere when that is empty). A revoked key's row goes.
CREATE TABLE access_keys (
    id           uuid        NOT NULL,
    user_id      uuid        NOT NULL,
    name         text        NOT NULL,
    hint         text COLLATE "C" NOT NULL,
    hash         bytea       NOT NULL,
    permissions  text[]      NOT NULL,
    allow        cidr[]      NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL,
    last_used_at timestamptz,
    CONSTRAINT access_keys_pkey PRIMARY KEY (id),
    CONSTRAINT access_keys_hash_key UNIQUE (hash),
    CONSTRAINT access_keys_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT access_keys_hash_check CHECK (length(hash) = 32)
);

CREATE INDEX access_keys_user_idx ON access_keys (user_id, id);

-- The authenticators. secret is sealed for the user. It guards nothing until a
-- code of it has confirmed it; last_step is the time step of the last code
-- that was accepted, and no step up to it is accepted again. recovery holds
-- the SHA-256 of the recovery codes that are left.
CREATE TABLE totp (
    user_id      uuid        NOT NULL,
    secret       bytea       NOT NULL,
    confirmed_at timestamptz,
    last_step    bigint      NOT NULL DEFAULT 0,
    recovery     bytea[]     NOT NULL DEFAULT '{}',
    CONSTRAINT totp_pkey PRIMARY KEY (user_id),
    CONSTRAINT totp_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);

-- The tokens of invitations, registrations, forgotten passwords, new
-- addresses and sign-in links, as their SHA-256: each is good for one purpose
-- and one address, once. user_id is NULL for who joins; roles, quota (bytes,
-- NULL: the default) and invited_by are what an invitation promises.
CREATE TABLE one_time_tokens (
    id         uuid        NOT NULL,
    hash       bytea       NOT NULL,
    purpose    text COLLATE "C" NOT NULL,
    user_id    uuid,
    email      text COLLATE "C" NOT NULL,
    roles      text[]      NOT NULL,
    quota      bigint,
    invited_by uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    CONSTRAINT one_time_tokens_pkey PRIMARY KEY (id),
    CONSTRAINT one_time_tokens_hash_key UNIQUE (hash),
    CONSTRAINT one_time_tokens_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT one_time_tokens_invited_by_fkey FOREIGN KEY (invited_by) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT one_time_tokens_purpose_check CHECK (purpose IN ('invitation', 'register', 'reset', 'email', 'login'))
);

CREATE INDEX one_time_tokens_user_idx ON one_time_tokens (user_id);
CREATE INDEX one_time_tokens_invited_by_idx ON one_time_tokens (invited_by);
CREATE INDEX one_time_tokens_purpose_idx ON one_time_tokens (purpose, lower(email));

-- Wrong guesses, counted by account or by address. key is a keyed hash of
-- what is counted: nobody's address stands here in clear. excess is how many
-- there were beyond those that are free.
CREATE TABLE guesses (
    key     bytea       NOT NULL,
    excess  integer     NOT NULL,
    last_at timestamptz NOT NULL,
    CONSTRAINT guesses_pkey PRIMARY KEY (key)
);

CREATE INDEX guesses_last_at_idx ON guesses (last_at);

-- step 4: files

-- The processes that write to the data directory. Alive is who holds the lock
-- on its file workers/<id>; dead_at is set by whoever took that lock over, and
-- the row goes when nothing of the worker is left to recover. The id is the
-- second key of the advisory lock FENCE, so it has to fit int4.
CREATE TABLE workers (
    id         integer     GENERATED ALWAYS AS IDENTITY,
    started_at timestamptz NOT NULL DEFAULT now(),
    dead_at    timestamptz,
    CONSTRAINT workers_pkey PRIMARY KEY (id)
);

-- Who can have a tree. The owner that is a user has the user's id.
CREATE TABLE owners (
    id      uuid NOT NULL,
    user_id uuid,
    CONSTRAINT owners_pkey PRIMARY KEY (id),
    CONSTRAINT owners_user_id_key UNIQUE (user_id),
    CONSTRAINT owners_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id),
    CONSTRAINT owners_user_id_check CHECK (user_id = id)
);

-- One row an owner. It is the owner's lock (FOR NO KEY UPDATE), the counter
-- that orders redo and change feed, and the quota's ledger in bytes: used
-- counts files and trash, reserved the uploads under way; entries counts the
-- rows of items but the root. A quota of NULL is the default.
CREATE TABLE trees (
    owner_id   uuid   NOT NULL,
    root_id    uuid   NOT NULL,
    feed_epoch uuid   NOT NULL,
    seq        bigint NOT NULL DEFAULT 0,
    quota      bigint,
    used       bigint NOT NULL DEFAULT 0,
    reserved   bigint NOT NULL DEFAULT 0,
    entries     bigint NOT NULL DEFAULT 0,
    entry_quota bigint,
    CONSTRAINT trees_pkey PRIMARY KEY (owner_id),
    CONSTRAINT trees_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES owners (id),
    CONSTRAINT trees_quota_check CHECK (quota >= 0),
    CONSTRAINT trees_used_check CHECK (used >= 0),
    CONSTRAINT trees_reserved_check CHECK (reserved >= 0),
    CONSTRAINT trees_entry_quota_check CHECK (entry_quota >= 0)
) WITH (fillfactor = 50);

-- Files and folders. kind is 0 for a folder, 1 for a file, so that folders
-- come first in every order. revision rises by one with every change of the
-- row that the disk follows; it is also the guard of redo. mtime (nanoseconds
-- since 1970), size and ino are what the disk showed when the bytes were
-- taken. Only the top of what was trashed carries trashed_at. missing_at says
-- since when a scan does not find it on the disk, checked_at when its bytes
-- were last held against sha256. purging marks a trashed item whose
-- bytes lie in purge/ and whose rows are on their way out. name_sort is what
-- the name is sorted by, name_folded what it is found by: files/naming.
CREATE TABLE items (
    id         uuid        NOT NULL,
    owner_id   uuid        NOT NULL,
    parent_id  uuid,
    kind       smallint    NOT NULL,
    name       text        COLLATE "C" NOT NULL,
    name_sort  text        COLLATE "C" NOT NULL,
    name_folded text       COLLATE "C" NOT NULL,
    size       bigint      NOT NULL DEFAULT 0,
    media_type text        COLLATE "C",
    sha256     bytea,
    mtime      bigint,
    ino        bigint,
    revision   bigint      NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    trashed_at timestamptz,
    missing_at timestamptz,
    checked_at timestamptz,
    purging    boolean     NOT NULL DEFAULT false,
    CONSTRAINT items_pkey PRIMARY KEY (id),
    CONSTRAINT items_owner_id_key UNIQUE (owner_id, id),
    CONSTRAINT items_parent_id_fkey FOREIGN KEY (owner_id, parent_id) REFERENCES items (owner_id, id),
    CONSTRAINT items_kind_check CHECK (kind IN (0, 1)),
    CONSTRAINT items_name_check CHECK ((parent_id IS NULL) = (name = '') AND octet_length(name) <= 255),
    CONSTRAINT items_size_check CHECK (size >= 0),
    CONSTRAINT items_file_check CHECK ((kind = 1) = (sha256 IS NOT NULL AND mtime IS NOT NULL AND media_type IS NOT NULL)),
    CONSTRAINT items_root_check CHECK (parent_id IS NOT NULL OR (kind = 0 AND trashed_at IS NULL))
);

-- Names are unique in a folder after NFC; lookups by name use it too.
CREATE UNIQUE INDEX items_name_key ON items (parent_id, normalize(name, NFC)) WHERE trashed_at IS NULL;
-- One root an owner.
CREATE UNIQUE INDEX items_root_key ON items (owner_id) WHERE parent_id IS NULL;
-- The orders of a listing, each a keyset.
CREATE INDEX items_by_name_idx ON items (parent_id, kind, name_sort, id) WHERE trashed_at IS NULL;
CREATE INDEX items_by_updated_at_idx ON items (parent_id, kind, updated_at, id) WHERE trashed_at IS NULL;
CREATE INDEX items_by_size_idx ON items (parent_id, kind, size, id) WHERE trashed_at IS NULL;
CREATE INDEX items_by_modified_at_idx ON items (parent_id, kind, coalesce(mtime, 0), id) WHERE trashed_at IS NULL;
-- All of a folder, trash too: for the foreign key when something is deleted.
CREATE INDEX items_parent_id_idx ON items (parent_id);
-- The trash of an owner, newest first, and what its retention has ended.
CREATE INDEX items_purging_idx ON items (owner_id, id) WHERE purging;
CREATE INDEX items_trashed_at_idx ON items (owner_id, trashed_at, id) WHERE trashed_at IS NOT NULL;

-- The walks along the tree. Each is one SELECT without side effects, so that
-- PostgreSQL plans it as a part of the statement that asks. Each step looks at
-- one index, whatever the statistics say.

-- An item and the folders above it, the item first; the root's name is ''.
CREATE FUNCTION item_up(start uuid)
    RETURNS TABLE (id uuid, parent_id uuid, owner_id uuid, name text, trashed_at timestamptz, height integer)
    LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH RECURSIVE up AS (
        SELECT i.id, i.parent_id, i.owner_id, i.name, i.trashed_at, 0 AS height FROM items i WHERE i.id = start
        UNION ALL
        SELECT p.id, p.parent_id, p.owner_id, p.name, p.trashed_at, u.height + 1 FROM up u JOIN items p ON p.id = u.parent_id
    )
    SELECT u.id, u.parent_id, u.owner_id, u.name, u.trashed_at, u.height FROM up u
$$;

-- The path of an item: '/documents/a.pdf', '' for the root; NULL in the trash.
CREATE FUNCTION item_path(start uuid) RETURNS SETOF text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT string_agg(u.name, '/' ORDER BY u.height DESC) FROM item_up(start) u HAVING bool_and(u.trashed_at IS NULL)
$$;

-- The items that names lead to from an owner's root, as far as they do, byte
-- for byte: the root first.
CREATE FUNCTION item_walk(owner uuid, names text[])
    RETURNS TABLE (id uuid, depth integer)
    LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH RECURSIVE way AS (
        SELECT t.root_id AS id, 0 AS depth FROM trees t WHERE t.owner_id = owner
        UNION ALL
        SELECT c.id, w.depth + 1
          FROM way w
         CROSS JOIN LATERAL (SELECT i.id, i.name FROM items i
                              WHERE i.parent_id = w.id AND normalize(i.name, NFC) = normalize(names[w.depth + 1], NFC)
                                AND i.trashed_at IS NULL LIMIT 1) c
         WHERE c.name = names[w.depth + 1]
    )
    SELECT w.id, w.depth FROM way w
$$;

-- What lies in a folder at any depth, and the item itself: path is '' for
-- it, '/a.pdf' for what is in it. Nothing that was trashed.
CREATE FUNCTION item_below(start uuid)
    RETURNS TABLE (id uuid, path text, height integer)
    LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH RECURSIVE down AS (
        SELECT start AS id, '' COLLATE "C" AS path, 0 AS height
        UNION ALL
        SELECT c.id, d.path || '/' || c.name, d.height + 1
          FROM down d JOIN items c ON c.parent_id = d.id AND c.trashed_at IS NULL
    )
    SELECT d.id, d.path, d.height FROM down d
$$;

-- The folders of item_below alone.
CREATE FUNCTION folder_below(start uuid)
    RETURNS TABLE (id uuid, path text, height integer)
    LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH RECURSIVE down AS (
        SELECT start AS id, '' COLLATE "C" AS path, 0 AS height
        UNION ALL
        SELECT c.id, d.path || '/' || c.name, d.height + 1
          FROM down d JOIN items c ON c.parent_id = d.id AND c.kind = 0 AND c.trashed_at IS NULL
    )
    SELECT d.id, d.path, d.height FROM down d
$$;

-- The folders in an owner's trash, at any depth.
CREATE FUNCTION trash_folders(owner uuid) RETURNS SETOF uuid LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH RECURSIVE gone AS (
        SELECT i.id FROM items i WHERE i.owner_id = owner AND i.trashed_at IS NOT NULL AND i.kind = 0
        UNION
        SELECT c.id FROM gone g JOIN items c ON c.parent_id = g.id AND c.kind = 0
    )
    SELECT g.id FROM gone g
$$;

-- How much lies in an owner's trash, at any depth.
CREATE FUNCTION trash_of(owner uuid) RETURNS TABLE (size bigint, items bigint) LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(sum(x.size), 0)::bigint, count(*)
      FROM (SELECT i.size FROM items i WHERE i.owner_id = owner AND i.trashed_at IS NOT NULL
            UNION ALL
            SELECT c.size FROM trash_folders(owner) AS g (id) JOIN items c ON c.parent_id = g.id WHERE c.trashed_at IS NULL) x
$$;

-- The entries of the path below the data directory at which an item lies, the
-- last first: it ends in the trash or in the owner's folder.
CREATE FUNCTION item_place(start uuid)
    RETURNS TABLE (entry text, height integer)
    LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH RECURSIVE up AS (
        SELECT i.id, i.parent_id, i.owner_id, i.name, i.trashed_at, i.purging, i.revision, 0 AS height FROM items i WHERE i.id = start
        UNION ALL
        SELECT p.id, p.parent_id, p.owner_id, p.name, p.trashed_at, p.purging, p.revision, u.height + 1
          FROM up u JOIN items p ON p.id = u.parent_id WHERE u.trashed_at IS NULL
    )
    SELECT CASE WHEN u.purging THEN 'purge/' || u.id || '.' || u.revision
                WHEN u.trashed_at IS NOT NULL THEN 'trash/' || u.owner_id || '/' || u.id
                WHEN u.parent_id IS NULL THEN 'users/' || u.owner_id
                ELSE u.name END, u.height
      FROM up u
$$;

-- Space reserved for bytes that are being received. The change that takes the
-- bytes in ends the reservation in its own transaction, so an expired upload
-- and a finished one can never both win. A plain upload belongs to a worker
-- and dies with it. A resumable one has no worker_id: whoever holds the lock
-- on its staging file goes on with it. The first durable_offset bytes of that
-- file are known to be on the disk, sum_state is their running SHA-256, and
-- length is null until the client tells it. The row outlives the upload until
-- expires_at; state says how it ended, item_id what became of the bytes.
CREATE TABLE uploads (
    op_id          uuid        NOT NULL,
    owner_id       uuid        NOT NULL,
    worker_id      integer,
    bytes          bigint      NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    expires_at     timestamptz NOT NULL,
    state          text        COLLATE "C" NOT NULL DEFAULT 'open',
    length         bigint,
    durable_offset bigint      NOT NULL DEFAULT 0,
    sum_state      bytea,
    metadata       text        COLLATE "C" NOT NULL DEFAULT '',
    item_id        uuid,
    CONSTRAINT uploads_pkey PRIMARY KEY (op_id),
    CONSTRAINT uploads_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES trees (owner_id),
    CONSTRAINT uploads_bytes_check CHECK (bytes >= 0),
    CONSTRAINT uploads_state_check CHECK (state IN ('open', 'finished', 'expired', 'deleted')),
    CONSTRAINT uploads_offset_check CHECK (durable_offset >= 0 AND durable_offset <= length)
);

CREATE INDEX uploads_owner_id_idx ON uploads (owner_id);
CREATE INDEX uploads_worker_id_idx ON uploads (worker_id);
CREATE INDEX uploads_expires_at_idx ON uploads (expires_at);

-- The redo records: what the disk still has to follow. source and target are
-- paths below the data directory, ino is the inode that moves. A record is
-- written with the rows it belongs to and deleted when the disk has followed;
-- quarantined_at marks one whose bytes were found nowhere. A record outlives
-- its owner: the owner's folders follow after the rows have gone.
CREATE TABLE file_ops (
    owner_id       uuid     NOT NULL,
    seq            bigint   NOT NULL,
    op_id          uuid     NOT NULL,
    worker_id      integer  NOT NULL,
    kind           text     COLLATE "C" NOT NULL,
    item_id        uuid     NOT NULL,
    revision       bigint   NOT NULL,
    ino            bigint   NOT NULL,
    source         text     COLLATE "C" NOT NULL,
    target         text     COLLATE "C" NOT NULL,
    quarantined_at timestamptz,
    CONSTRAINT file_ops_pkey PRIMARY KEY (owner_id, seq),
    CONSTRAINT file_ops_kind_check CHECK (kind IN ('put', 'mkdir', 'move', 'purge'))
    -- Nearly empty, and written to all the time: dead rows have to go early.
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

-- step 5: mail

-- Messages that wait for the SMTP server. body is sealed: it may hold a link
-- that signs someone in. A row goes when its message was taken.
CREATE TABLE mail_outbox (
    id          uuid        NOT NULL,
    recipient   text COLLATE "C" NOT NULL,
    subject     text COLLATE "C" NOT NULL,
    body        bytea       NOT NULL,
    attempts    integer     NOT NULL,
    created_at  timestamptz NOT NULL,
    next_try_at timestamptz NOT NULL,
    CONSTRAINT mail_outbox_pkey PRIMARY KEY (id)
);
CREATE INDEX mail_outbox_due_idx ON mail_outbox (next_try_at);

-- step 6: portfolio

-- Exactly one row: the profile, as JSON of the shape that the API shows.
-- clock rises with every change of the portfolio, in its transaction: it makes
-- the changes wait for each other and gives what they touch a revision that
-- nothing of the portfolio ever had before.
CREATE TABLE portfolio (
    singleton  boolean     NOT NULL DEFAULT true,
    clock      bigint      NOT NULL DEFAULT 0,
    revision   bigint      NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL DEFAULT now(),
    profile    jsonb       NOT NULL DEFAULT '{}',
    CONSTRAINT portfolio_pkey PRIMARY KEY (singleton),
    CONSTRAINT portfolio_singleton_check CHECK (singleton)
);

INSERT INTO portfolio DEFAULT VALUES;

-- The entries of the collections, at most 200 of a kind, shown in the order of
-- (position, id) and to everyone when published. fields is what makes one kind
-- differ from another, as the API shows it. All of it is always read at once,
-- so there is nothing to index.
CREATE TABLE portfolio_entries (
    id         uuid        NOT NULL,
    kind       text COLLATE "C" NOT NULL,
    position   integer     NOT NULL,
    status     text COLLATE "C" NOT NULL,
    revision   bigint      NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    fields     jsonb       NOT NULL,
    CONSTRAINT portfolio_entries_pkey PRIMARY KEY (id),
    CONSTRAINT portfolio_entries_kind_check CHECK (kind IN ('projects', 'skills', 'experience', 'education')),
    CONSTRAINT portfolio_entries_status_check CHECK (status IN ('draft', 'published'))
);

-- Every slug that ever led to a project, its present one among them: an old
-- link still arrives, and no two projects can claim one word.
CREATE TABLE portfolio_slugs (
    slug       text COLLATE "C" NOT NULL,
    project_id uuid NOT NULL,
    CONSTRAINT portfolio_slugs_pkey PRIMARY KEY (slug),
    CONSTRAINT portfolio_slugs_project_id_fkey FOREIGN KEY (project_id) REFERENCES portfolio_entries (id) ON DELETE CASCADE
);

CREATE INDEX portfolio_slugs_project_id_idx ON portfolio_slugs (project_id);

-- What strangers wrote. score and reasons say why something was taken for
-- spam; digest finds the same text sent again.
CREATE TABLE portfolio_messages (
    id         uuid        NOT NULL,
    state      text COLLATE "C" NOT NULL,
    name       text        NOT NULL,
    email      text        NOT NULL,
    subject    text        NOT NULL,
    message    text        NOT NULL,
    score      integer     NOT NULL,
    reasons    text[]      NOT NULL,
    digest     bytea       NOT NULL,
    revision   bigint      NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT portfolio_messages_pkey PRIMARY KEY (id),
    CONSTRAINT portfolio_messages_state_check CHECK (state IN ('new', 'read', 'archived', 'spam'))
);

CREATE INDEX portfolio_messages_state_idx ON portfolio_messages (state, id);
CREATE INDEX portfolio_messages_digest_idx ON portfolio_messages (digest);

-- How often something was used until expires_at: a form token, which is good
-- once, and the form by one network or by everyone. A key is a hash.
CREATE TABLE portfolio_uses (
    key        bytea       NOT NULL,
    uses       integer     NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT portfolio_uses_pkey PRIMARY KEY (key)
);

-- step 7: controls

-- Feature flags. rules is a list of {roles, users, percentage}, as the API
-- shows it; with none a flag that is enabled is on for everyone who may know
-- of it: everyone when public, else who is signed in. All of them are always
-- read at once, at most 500.
CREATE TABLE flags (
    key         text COLLATE "C" NOT NULL,
    description text        NOT NULL,
    enabled     boolean     NOT NULL,
    public      boolean     NOT NULL,
    rules       jsonb       NOT NULL,
    revision    bigint      NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT flags_pkey PRIMARY KEY (key),
    CONSTRAINT flags_key_check CHECK (key ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$'),
    CONSTRAINT flags_description_check CHECK (length(description) <= 500)
);

-- Exactly one row: the rate limits that are not the program's own, as
-- {class: {requests, per}}, per in nanoseconds.
CREATE TABLE limits (
    singleton boolean NOT NULL DEFAULT true,
    changed   jsonb   NOT NULL DEFAULT '{}',
    revision  bigint  NOT NULL DEFAULT 1,
    CONSTRAINT limits_pkey PRIMARY KEY (singleton),
    CONSTRAINT limits_singleton_check CHECK (singleton)
);

INSERT INTO limits DEFAULT VALUES;

-- step 8: apps

-- The apps below projects/ that are turned off. What an app keeps is in a
-- schema of its own, with steps of its own.
CREATE TABLE disabled_apps (
    name        text        COLLATE "C" NOT NULL,
    disabled_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT disabled_apps_pkey PRIMARY KEY (name)
);

-- step 9: change feed

-- What became of an owner's items, one row a change, in the order in which
-- the changes were committed: seq is taken from trees.seq under the owner's
-- lock, which is held until the COMMIT. type is the word of the API, item the
-- item as the change left it, of the shape that the API shows. Rows are kept
-- for 30 days.
CREATE TABLE changes (
    owner_id uuid        NOT NULL,
    seq      bigint      NOT NULL,
    type     text        COLLATE "C" NOT NULL,
    at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    item     json        NOT NULL,
    CONSTRAINT changes_pkey PRIMARY KEY (owner_id, seq),
    CONSTRAINT changes_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES trees (owner_id) ON DELETE CASCADE,
    CONSTRAINT changes_type_check CHECK (type IN ('created', 'changed', 'moved', 'trashed', 'restored', 'purged'))
);

-- Nothing is missing from changes behind feed_from: 0 while all is there that
-- ever happened to the tree.
ALTER TABLE trees ADD COLUMN feed_from bigint NOT NULL DEFAULT 0;
UPDATE trees SET feed_from = seq;

-- step 10: shares

-- Links by which strangers reach an item: mode 'read' shows it, 'drop' only
-- takes files into it. token_hash is the SHA-256 of the token, which is shown
-- once; password_hash is Argon2id as a PHC string, NULL where none is asked
-- for. downloads stops at max_downloads (NULL: never). max_size bounds
-- one dropped file in bytes. An ended share's row goes: its owner ends it,
-- or puts the item or a folder above it into the trash.
CREATE TABLE shares (
    id            uuid        NOT NULL,
    owner_id      uuid        NOT NULL,
    item_id       uuid        NOT NULL,
    token_hash    bytea       NOT NULL,
    mode          text        COLLATE "C" NOT NULL,
    password_hash text,
    expires_at    timestamptz,
    max_downloads bigint,
    downloads     bigint      NOT NULL DEFAULT 0,
    max_size      bigint,
    allow         cidr[]      NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT shares_pkey PRIMARY KEY (id),
    CONSTRAINT shares_token_key UNIQUE (token_hash),
    CONSTRAINT shares_item_id_fkey FOREIGN KEY (item_id) REFERENCES items (id) ON DELETE CASCADE,
    CONSTRAINT shares_mode_check CHECK (mode IN ('read', 'drop'))
);

CREATE INDEX shares_owner_id_idx ON shares (owner_id, id);
CREATE INDEX shares_item_id_idx ON shares (item_id);

-- Who was counted lately: until free_until the rest of the item costs that
-- network no further download. network is a keyed hash: nobody's address
-- stands here in clear.
CREATE TABLE share_downloads (
    share_id   uuid        NOT NULL,
    item_id    uuid        NOT NULL,
    network    bytea       NOT NULL,
    free_until timestamptz NOT NULL,
    CONSTRAINT share_downloads_pkey PRIMARY KEY (share_id, item_id, network),
    CONSTRAINT share_downloads_share_id_fkey FOREIGN KEY (share_id) REFERENCES shares (id) ON DELETE CASCADE
);

CREATE INDEX share_downloads_free_until_idx ON share_downloads (free_until);

-- step 11: search

-- What stands in the index for some letters of an owner's names: a number, for
-- it is short. Where two meet, the name itself decides.
CREATE FUNCTION name_key(owner uuid, letters text) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN hashtextextended(letters COLLATE "C", uuid_hash_extended(owner, 0));

-- What a name is found by: all its runs of one, two and three characters. Made
-- by hand and not by pg_trgm, for which in the locale C only the letters of
-- ASCII are letters. Its cost keeps it out of filters. In PL/pgSQL, because a
-- function in SQL is planned anew for each statement that writes names; and
-- without name_key, which an index that is built may not see.
CREATE FUNCTION name_keys(owner uuid, name text) RETURNS bigint[] LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE COST 100 AS $$
DECLARE
    seed bigint := uuid_hash_extended(owner, 0);
    keys bigint[];
BEGIN
    FOR n IN 1..length(name) LOOP
        keys := keys || hashtextextended(substr(name, n, 1) COLLATE "C", seed)
                     || hashtextextended(substr(name, n, 2) COLLATE "C", seed)
                     || hashtextextended(substr(name, n, 3) COLLATE "C", seed);
    END LOOP;
    RETURN keys;
END $$;

-- The keys of names that hold all these runs.
CREATE FUNCTION run_keys(owner uuid, runs text[]) RETURNS bigint[] LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (SELECT array_agg(name_key(owner, run)) FROM unnest(runs) AS run);

CREATE INDEX items_search_idx ON items USING gin (name_keys(owner_id, name_folded)) WHERE trashed_at IS NULL;
-- Nothing is planned by how often a key occurs, and counting them would cost
-- more than writing the names did.
ALTER INDEX items_search_idx ALTER COLUMN 1 SET STATISTICS 0;
-- All names of an owner in their order: for pages that are soon full.
CREATE INDEX items_name_sort_idx ON items (owner_id, name_sort, id) WHERE trashed_at IS NULL;

-- step 12: events by their action

CREATE INDEX audit_events_action_idx ON audit_events (action, at DESC, id DESC);

-- What was sealed lately.
CREATE INDEX audit_seals_last_idx ON audit_seals (last_at);

-- A person's own history without the everyday life of files.
CREATE INDEX audit_events_own_idx ON audit_events (actor_user, at DESC, id DESC) WHERE action !~ '^(file|folder)\.';

-- step 13: passkeys

-- What passkeys know a user by: 64 random bytes, the same in all of the user's
-- keys, and nothing else is to be learned from them. NULL until the first.
ALTER TABLE users ADD COLUMN passkey_handle bytea;

-- The keys of people's devices, of which only the public half is here, as a
-- COSE key. They belong to a domain for good. counter is the authenticator's
-- count of its signatures, 0 where it keeps none; backed_up says that the key
-- is on several devices, backup_eligible that it may be.
CREATE TABLE passkeys (
    id              uuid        NOT NULL,
    user_id         uuid        NOT NULL,
    domain          text        COLLATE "C" NOT NULL,
    credential_id   bytea       NOT NULL,
    public_key      bytea       NOT NULL,
    name            text        NOT NULL,
    transports      text[]      NOT NULL,
    counter         bigint      NOT NULL,
    backup_eligible boolean     NOT NULL,
    backed_up       boolean     NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    last_used_at    timestamptz,
    CONSTRAINT passkeys_pkey PRIMARY KEY (id),
    CONSTRAINT passkeys_credential_id_key UNIQUE (credential_id),
    CONSTRAINT passkeys_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT passkeys_credential_id_check CHECK (length(credential_id) BETWEEN 1 AND 1023)
);

CREATE INDEX passkeys_user_idx ON passkeys (user_id, id);

-- The challenges that were given out and not answered yet, as their SHA-256.
-- Anyone may ask for one, so their number is fixed: a new one takes the slot
-- of the oldest. session_id is that of a registration, NULL for a sign-in;
-- unnoticed says that a registration came along with a sign-in.
CREATE TABLE passkey_challenges (
    slot       integer     GENERATED ALWAYS AS IDENTITY (MINVALUE 0 MAXVALUE 65535 START 0 CYCLE),
    hash       bytea       NOT NULL,
    session_id uuid,
    unnoticed  boolean     NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT passkey_challenges_pkey PRIMARY KEY (slot),
    CONSTRAINT passkey_challenges_hash_key UNIQUE (hash),
    CONSTRAINT passkey_challenges_session_id_fkey FOREIGN KEY (session_id) REFERENCES sessions (id) ON DELETE CASCADE
);

CREATE INDEX passkey_challenges_session_idx ON passkey_challenges (session_id) WHERE session_id IS NOT NULL;

-- step 14: other programs sign people in here

-- Programs that sign people in with their account here (OpenID Connect).
-- secret_hash is the SHA-256 of 32 random bytes, NULL for a public client,
-- which could keep no secret. roles: who may sign in; empty: everybody.
CREATE TABLE oidc_clients (
    id                        uuid        NOT NULL,
    name                      text        NOT NULL,
    secret_hash               bytea,
    redirect_uris             text[]      NOT NULL,
    post_logout_redirect_uris text[]      NOT NULL,
    roles                     text[]      NOT NULL,
    consent                   boolean     NOT NULL,
    revision                  bigint      NOT NULL DEFAULT 1,
    created_at                timestamptz NOT NULL DEFAULT now(),
    updated_at                timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT oidc_clients_pkey PRIMARY KEY (id)
);

-- The RSA keys that sign ID tokens, by their thumbprint, sealed under the
-- platform's secret. One signs from signs_from until that of the next.
CREATE TABLE oidc_keys (
    id         text        COLLATE "C" NOT NULL,
    sealed     bytea       NOT NULL,
    signs_from timestamptz NOT NULL,
    CONSTRAINT oidc_keys_pkey PRIMARY KEY (id)
);

-- What programs ask for until the person has answered. Anyone may ask, so the
-- number is fixed: a new request takes the slot of the oldest. logout: it is
-- one to sign out, of which only the client, the URI and the state count.
-- max_age is in seconds; hint is the user whom the program means; challenge is
-- that of PKCE, '' for none.
CREATE TABLE oidc_requests (
    slot         integer     GENERATED ALWAYS AS IDENTITY (MINVALUE 0 MAXVALUE 16383 START 0 CYCLE),
    id           uuid        NOT NULL,
    client_id    uuid        NOT NULL,
    logout       boolean     NOT NULL,
    redirect_uri text        NOT NULL,
    state        text        NOT NULL,
    scopes       text[]      NOT NULL,
    prompt       text        NOT NULL,
    max_age      bigint,
    hint         uuid,
    nonce        text        NOT NULL,
    challenge    text        NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL,
    CONSTRAINT oidc_requests_pkey PRIMARY KEY (slot),
    CONSTRAINT oidc_requests_id_key UNIQUE (id),
    CONSTRAINT oidc_requests_client_id_fkey FOREIGN KEY (client_id) REFERENCES oidc_clients (id) ON DELETE CASCADE
);

CREATE INDEX oidc_requests_client_idx ON oidc_requests (client_id);

-- What people have let programs do, each in the session in which they did, and
-- no longer. code_hash is the SHA-256 of the code that the program got,
-- redeemed_at when it changed that for tokens. refreshed is the number of the
-- refresh token that is good; last_excused says that the one before it was
-- taken once more.
CREATE TABLE oidc_grants (
    id               uuid        NOT NULL,
    session_id       uuid        NOT NULL,
    client_id        uuid        NOT NULL,
    scopes           text[]      NOT NULL,
    redirect_uri     text        NOT NULL,
    nonce            text        NOT NULL,
    challenge        text        NOT NULL,
    authenticated_at timestamptz NOT NULL,
    code_hash        bytea       NOT NULL,
    redeemed_at      timestamptz,
    refreshed        bigint      NOT NULL DEFAULT 0,
    last_excused     boolean     NOT NULL DEFAULT false,
    created_at       timestamptz NOT NULL DEFAULT now(),
    last_used_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT oidc_grants_pkey PRIMARY KEY (id),
    CONSTRAINT oidc_grants_code_hash_key UNIQUE (code_hash),
    CONSTRAINT oidc_grants_session_id_fkey FOREIGN KEY (session_id) REFERENCES sessions (id) ON DELETE CASCADE,
    CONSTRAINT oidc_grants_client_id_fkey FOREIGN KEY (client_id) REFERENCES oidc_clients (id) ON DELETE CASCADE
);

CREATE INDEX oidc_grants_session_idx ON oidc_grants (session_id, client_id, id);
CREATE INDEX oidc_grants_client_idx ON oidc_grants (client_id);

-- step 15: spaces

-- A space is an owner without a user: a tree of several people. Its id is of
-- version 8 and a user's of another, so the id alone says where a tree lies.
CREATE FUNCTION is_space(owner uuid) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN substr(owner::text, 15, 1) = '8';

ALTER TABLE owners ADD CONSTRAINT owners_space_check CHECK ((user_id IS NULL) = is_space(id));

CREATE TABLE spaces (
    id         uuid        NOT NULL,
    name       text        NOT NULL,
    revision   bigint      NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT spaces_pkey PRIMARY KEY (id),
    CONSTRAINT spaces_id_fkey FOREIGN KEY (id) REFERENCES owners (id) ON DELETE CASCADE,
    CONSTRAINT spaces_name_check CHECK (length(name) BETWEEN 1 AND 200)
);

-- Who may do what in a space: a viewer reads, an editor writes and shares too, a
-- manager says who is a member. All of it is always read at once.
CREATE TABLE space_members (
    space_id uuid        NOT NULL,
    user_id  uuid        NOT NULL,
    role     text        COLLATE "C" NOT NULL,
    added_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT space_members_pkey PRIMARY KEY (space_id, user_id),
    CONSTRAINT space_members_space_id_fkey FOREIGN KEY (space_id) REFERENCES spaces (id) ON DELETE CASCADE,
    CONSTRAINT space_members_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT space_members_role_check CHECK (role IN ('viewer', 'editor', 'manager'))
);

CREATE INDEX space_members_user_id_idx ON space_members (user_id);

-- Who sends an upload into a tree that is not theirs alone; NULL: its owner.
ALTER TABLE uploads ADD COLUMN user_id uuid;

-- Whose share of an item in a space it is; NULL: the owner's. It works for as
-- long as they may write there.
ALTER TABLE shares ADD COLUMN user_id uuid;
ALTER TABLE shares ADD CONSTRAINT shares_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE;

CREATE INDEX shares_user_id_idx ON shares (user_id) WHERE user_id IS NOT NULL;

CREATE OR REPLACE FUNCTION item_place(start uuid)
    RETURNS TABLE (entry text, height integer)
    LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH RECURSIVE up AS (
        SELECT i.id, i.parent_id, i.owner_id, i.name, i.trashed_at, i.purging, i.revision, 0 AS height FROM items i WHERE i.id = start
        UNION ALL
        SELECT p.id, p.parent_id, p.owner_id, p.name, p.trashed_at, p.purging, p.revision, u.height + 1
          FROM up u JOIN items p ON p.id = u.parent_id WHERE u.trashed_at IS NULL
    )
    SELECT CASE WHEN u.purging THEN 'purge/' || u.id || '.' || u.revision
                WHEN u.trashed_at IS NOT NULL THEN 'trash/' || u.owner_id || '/' || u.id
                WHEN u.parent_id IS NOT NULL THEN u.name
                WHEN is_space(u.owner_id) THEN 'spaces/' || u.owner_id
                ELSE 'users/' || u.owner_id END, u.height
      FROM up u
$$;

-- step 16: versions

-- What files held before they were replaced. The bytes of a version lie in
-- versions/<owner>/<item>.<revision>; the revision is the last one of the item
-- that had them. size, mtime, ino and checked_at are as in items.
CREATE TABLE versions (
    item_id     uuid        NOT NULL,
    revision    bigint      NOT NULL,
    owner_id    uuid        NOT NULL,
    size        bigint      NOT NULL,
    sha256      bytea       NOT NULL,
    media_type  text        COLLATE "C" NOT NULL,
    mtime       bigint      NOT NULL,
    ino         bigint,
    replaced_at timestamptz NOT NULL DEFAULT now(),
    checked_at  timestamptz,
    CONSTRAINT versions_pkey PRIMARY KEY (item_id, revision),
    CONSTRAINT versions_item_id_fkey FOREIGN KEY (owner_id, item_id) REFERENCES items (owner_id, id),
    CONSTRAINT versions_size_check CHECK (size >= 0)
);

-- The oldest of an owner are given up first.
CREATE INDEX versions_replaced_at_idx ON versions (owner_id, replaced_at, item_id, revision);

-- The part of used that versions take.
ALTER TABLE trees
    ADD COLUMN versions bigint NOT NULL DEFAULT 0,
    ADD CONSTRAINT trees_versions_check CHECK (versions >= 0);

-- Whether what a put displaces becomes a version.
ALTER TABLE file_ops ADD COLUMN keeps boolean NOT NULL DEFAULT false;

-- step 17: programs without a sign-in of their own stand behind the gate

-- The hosts about which nginx asks here. host is as browsers have it, in lower
-- case and with its port where that is not 443; browsers send cookies to all
-- ports of a name, so a name is there once. roles: who is let through; empty:
-- everybody. identify: the program is told who comes.
CREATE TABLE gate_hosts (
    id         uuid        NOT NULL,
    host       text        COLLATE "C" NOT NULL,
    name       text        NOT NULL,
    roles      text[]      NOT NULL,
    identify   boolean     NOT NULL,
    revision   bigint      NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT gate_hosts_pkey PRIMARY KEY (id)
);

CREATE UNIQUE INDEX gate_hosts_host_key ON gate_hosts (split_part(host, ':', 1));

-- The codes that let a browser through to a host, each once, as their SHA-256.
-- browser is what is kept of the browser in which the way in began, address
-- where the person wanted to go on that host.
CREATE TABLE gate_codes (
    hash       bytea       NOT NULL,
    host_id    uuid        NOT NULL,
    session_id uuid        NOT NULL,
    browser    bytea       NOT NULL,
    address    text        NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT gate_codes_pkey PRIMARY KEY (hash),
    CONSTRAINT gate_codes_host_id_fkey FOREIGN KEY (host_id) REFERENCES gate_hosts (id) ON DELETE CASCADE,
    CONSTRAINT gate_codes_session_id_fkey FOREIGN KEY (session_id) REFERENCES sessions (id) ON DELETE CASCADE
);

CREATE INDEX gate_codes_host_idx ON gate_codes (host_id);
CREATE INDEX gate_codes_session_idx ON gate_codes (session_id);

-- step 18: shares by name

-- A share is for whoever has its token, or for one user, the recipient, with a
-- role: then nobody was given a token.
ALTER TABLE shares ADD COLUMN recipient_id uuid;
ALTER TABLE shares ADD COLUMN role text COLLATE "C";
ALTER TABLE shares ADD CONSTRAINT shares_recipient_id_fkey FOREIGN KEY (recipient_id) REFERENCES users (id) ON DELETE CASCADE;
ALTER TABLE shares ADD CONSTRAINT shares_recipient_key UNIQUE (item_id, recipient_id);
ALTER TABLE shares ADD CONSTRAINT shares_recipient_check
    CHECK ((recipient_id IS NULL) = (role IS NULL));
ALTER TABLE shares ADD CONSTRAINT shares_role_check CHECK (role IN ('viewer', 'editor'));

CREATE INDEX shares_recipient_id_idx ON shares (recipient_id, id) WHERE recipient_id IS NOT NULL;

-- step 19: whoever has files dropped into a folder is told

-- Whether whose share it is is told of the files that are dropped.
ALTER TABLE shares ADD COLUMN notify boolean NOT NULL DEFAULT true;

-- Files that were dropped into a folder and of which its user is not told yet:
-- so many, the first since then. A row without any says when they were told
-- last, and is kept for as long as that counts.
CREATE TABLE drops (
    user_id uuid        NOT NULL,
    item_id uuid        NOT NULL,
    files   bigint      NOT NULL,
    since   timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    told_at timestamptz,
    CONSTRAINT drops_pkey PRIMARY KEY (user_id, item_id)
);

-- What a notice is about where it is no session, and how many there were.
ALTER TABLE notices ADD COLUMN about uuid;
ALTER TABLE notices ADD COLUMN count bigint NOT NULL DEFAULT 1;

-- step 20: the audit log's indexes grow at their ends: by actor

-- An event is the newest of its actor, target and action. Where the newest come
-- last, pages are filled and not split in half, and a download's event costs two
-- thirds of what it did. Read backwards they give the newest first as before. One
-- step an index: nothing is recorded while one is made, and what waits for that
-- for more than ten seconds is lost.
DROP INDEX audit_events_actor_idx;
CREATE INDEX audit_events_actor_idx ON audit_events (actor_user, at, id);

-- step 21: by target

DROP INDEX audit_events_target_idx;
CREATE INDEX audit_events_target_idx ON audit_events (target, at, id);

-- step 22: by action

DROP INDEX audit_events_action_idx;
CREATE INDEX audit_events_action_idx ON audit_events (action, at, id);

-- step 23: and one's own history

-- Without the everyday life of files.
DROP INDEX audit_events_own_idx;
CREATE INDEX audit_events_own_idx ON audit_events (actor_user, at, id) WHERE action NOT LIKE 'file.%' AND action NOT LIKE 'folder.%';
