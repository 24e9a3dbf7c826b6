-- The whole database of Homebase, in numbered steps.
--
-- A step is everything from its line "-- step N: title" to the next one. It
-- runs once, in one transaction, as the owner of the database, and its hash is
-- recorded: a step that has been released is never edited, a change is a new
-- step at the end. Expand first, contract a release later: the workers of the
-- release before still run while a step is applied.
--
-- House rules: every constraint is named and listed in db/constraints.go,
-- every indexed text column is COLLATE "C", times are timestamptz, ids uuid
-- (version 7, made by the program).

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

-- One row an owner. It is the owner's lock (FOR NO KEY UPDATE), the counter
-- that orders redo and change feed, and the quota's ledger in bytes: used
-- counts files and trash, reserved the uploads under way. A quota of NULL is
-- the configured default.
CREATE TABLE trees (
    owner_id   uuid   NOT NULL,
    root_id    uuid   NOT NULL,
    feed_epoch uuid   NOT NULL,
    seq        bigint NOT NULL DEFAULT 0,
    quota      bigint,
    used       bigint NOT NULL DEFAULT 0,
    reserved   bigint NOT NULL DEFAULT 0,
    CONSTRAINT trees_pkey PRIMARY KEY (owner_id),
    CONSTRAINT trees_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES users (id),
    CONSTRAINT trees_quota_check CHECK (quota >= 0),
    CONSTRAINT trees_used_check CHECK (used >= 0),
    CONSTRAINT trees_reserved_check CHECK (reserved >= 0)
) WITH (fillfactor = 50);

-- Files and folders. kind is 0 for a folder, 1 for a file, so that folders
-- come first in every order. revision rises by one with every change of the
-- row that the disk follows; it is also the guard of redo. mtime (nanoseconds
-- since 1970), size and ino are what the disk showed when the bytes were
-- taken. Only the top of what was trashed carries trashed_at.
CREATE TABLE items (
    id         uuid        NOT NULL,
    owner_id   uuid        NOT NULL,
    parent_id  uuid,
    kind       smallint    NOT NULL,
    name       text        COLLATE "C" NOT NULL,
    name_sort  text        COLLATE "C" NOT NULL,
    size       bigint      NOT NULL DEFAULT 0,
    media_type text        COLLATE "C",
    sha256     bytea,
    mtime      bigint,
    ino        bigint,
    revision   bigint      NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    trashed_at timestamptz,
    CONSTRAINT items_pkey PRIMARY KEY (id),
    CONSTRAINT items_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES trees (owner_id),
    CONSTRAINT items_parent_id_fkey FOREIGN KEY (parent_id) REFERENCES items (id),
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
-- The three orders of a listing, each a keyset.
CREATE INDEX items_by_name_idx ON items (parent_id, kind, name_sort, id) WHERE trashed_at IS NULL;
CREATE INDEX items_by_updated_at_idx ON items (parent_id, kind, updated_at, id) WHERE trashed_at IS NULL;
CREATE INDEX items_by_size_idx ON items (parent_id, kind, size, id) WHERE trashed_at IS NULL;
-- The trash of an owner, newest first, and what its retention has ended.
CREATE INDEX items_trashed_at_idx ON items (owner_id, trashed_at, id) WHERE trashed_at IS NOT NULL;

-- Space reserved for bytes that are being received. The change that takes the
-- bytes in deletes the row in its own transaction, so an expired upload and a
-- finished one can never both win.
CREATE TABLE uploads (
    op_id      uuid        NOT NULL,
    owner_id   uuid        NOT NULL,
    worker_id  integer     NOT NULL,
    bytes      bigint      NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    CONSTRAINT uploads_pkey PRIMARY KEY (op_id),
    CONSTRAINT uploads_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES trees (owner_id),
    CONSTRAINT uploads_bytes_check CHECK (bytes >= 0)
);

CREATE INDEX uploads_worker_id_idx ON uploads (worker_id);
CREATE INDEX uploads_expires_at_idx ON uploads (expires_at);

-- The redo records: what the disk still has to follow. source and target are
-- paths below the data directory, ino is the inode that moves. A record is
-- written with the rows it belongs to and deleted when the disk has followed;
-- quarantined_at marks one whose bytes were found nowhere.
CREATE TABLE file_ops (
    owner_id       uuid     NOT NULL,
    seq            bigint   NOT NULL,
    op_id          uuid     NOT NULL,
    worker_id      integer  NOT NULL,
    xid            xid8     NOT NULL DEFAULT pg_current_xact_id(),
    kind           text     COLLATE "C" NOT NULL,
    item_id        uuid     NOT NULL,
    revision       bigint   NOT NULL,
    ino            bigint   NOT NULL,
    source         text     COLLATE "C" NOT NULL,
    target         text     COLLATE "C" NOT NULL,
    quarantined_at timestamptz,
    CONSTRAINT file_ops_pkey PRIMARY KEY (owner_id, seq),
    CONSTRAINT file_ops_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES trees (owner_id),
    CONSTRAINT file_ops_kind_check CHECK (kind IN ('put', 'mkdir', 'move', 'purge'))
);

CREATE INDEX file_ops_worker_id_idx ON file_ops (worker_id);

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

-- The one profile. clock rises with every change of the portfolio, in its
-- transaction: it makes the changes wait for each other and gives what they
-- touch a revision that no row of the portfolio ever had before. image_id, as
-- everywhere here, is the id of a file; the file may be gone.
CREATE TABLE portfolio_profile (
    singleton  boolean     NOT NULL DEFAULT true,
    clock      bigint      NOT NULL DEFAULT 0,
    name       text        NOT NULL DEFAULT '',
    headline   text        NOT NULL DEFAULT '',
    summary    text        NOT NULL DEFAULT '',
    location   text        NOT NULL DEFAULT '',
    email      text        NOT NULL DEFAULT '',
    image_id   uuid,
    links      jsonb       NOT NULL DEFAULT '[]',
    revision   bigint      NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT portfolio_profile_pkey PRIMARY KEY (singleton),
    CONSTRAINT portfolio_profile_singleton_check CHECK (singleton)
);

INSERT INTO portfolio_profile DEFAULT VALUES;

-- The entries of the four collections: at most 200 each, shown in the order
-- of (position, id), to everyone when published. Dates are text, YYYY-MM or
-- YYYY-MM-DD: a month is not its first day.
CREATE TABLE portfolio_projects (
    id         uuid        NOT NULL,
    position   integer     NOT NULL,
    status     text COLLATE "C" NOT NULL,
    revision   bigint      NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    slug       text COLLATE "C" NOT NULL,
    title      text        NOT NULL,
    summary    text        NOT NULL,
    body       text        NOT NULL,
    tags       text[]      NOT NULL,
    links      jsonb       NOT NULL,
    image_ids  uuid[]      NOT NULL,
    featured   boolean     NOT NULL,
    started_on text COLLATE "C",
    ended_on   text COLLATE "C",
    CONSTRAINT portfolio_projects_pkey PRIMARY KEY (id),
    CONSTRAINT portfolio_projects_status_check CHECK (status IN ('draft', 'published'))
);

-- Every slug that ever led to a project, its present one among them: an old
-- link still arrives, and no two projects can claim one word.
CREATE TABLE portfolio_slugs (
    slug       text COLLATE "C" NOT NULL,
    project_id uuid NOT NULL,
    CONSTRAINT portfolio_slugs_pkey PRIMARY KEY (slug),
    CONSTRAINT portfolio_slugs_project_id_fkey FOREIGN KEY (project_id) REFERENCES portfolio_projects (id) ON DELETE CASCADE
);

CREATE INDEX portfolio_slugs_project_id_idx ON portfolio_slugs (project_id);

CREATE TABLE portfolio_skills (
    id         uuid        NOT NULL,
    position   integer     NOT NULL,
    status     text COLLATE "C" NOT NULL,
    revision   bigint      NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    name       text        NOT NULL,
    level      text        NOT NULL,
    category   text        NOT NULL,
    CONSTRAINT portfolio_skills_pkey PRIMARY KEY (id),
    CONSTRAINT portfolio_skills_status_check CHECK (status IN ('draft', 'published'))
);

CREATE TABLE portfolio_experience (
    id           uuid        NOT NULL,
    position     integer     NOT NULL,
    status       text COLLATE "C" NOT NULL,
    revision     bigint      NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    organization text        NOT NULL,
    role         text        NOT NULL,
    summary      text        NOT NULL,
    highlights   text[]      NOT NULL,
    location     text        NOT NULL,
    url          text        NOT NULL,
    started_on   text COLLATE "C",
    ended_on     text COLLATE "C",
    CONSTRAINT portfolio_experience_pkey PRIMARY KEY (id),
    CONSTRAINT portfolio_experience_status_check CHECK (status IN ('draft', 'published'))
);

CREATE TABLE portfolio_education (
    id          uuid        NOT NULL,
    position    integer     NOT NULL,
    status      text COLLATE "C" NOT NULL,
    revision    bigint      NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    institution text        NOT NULL,
    area        text        NOT NULL,
    study_type  text        NOT NULL,
    score       text        NOT NULL,
    courses     text[]      NOT NULL,
    url         text        NOT NULL,
    started_on  text COLLATE "C",
    ended_on    text COLLATE "C",
    CONSTRAINT portfolio_education_pkey PRIMARY KEY (id),
    CONSTRAINT portfolio_education_status_check CHECK (status IN ('draft', 'published'))
);

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

-- Form tokens that were used, until they would have expired anyway.
CREATE TABLE portfolio_spent_tokens (
    token      bytea       NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT portfolio_spent_tokens_pkey PRIMARY KEY (token)
);

-- How many messages came in a window of time that began at since: from one
-- network, known by a keyed hash alone, or from everyone.
CREATE TABLE portfolio_contact_counts (
    sender bytea       NOT NULL,
    since  timestamptz NOT NULL,
    posts  integer     NOT NULL,
    CONSTRAINT portfolio_contact_counts_pkey PRIMARY KEY (sender)
);
