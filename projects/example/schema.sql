-- What the app keeps, in numbered steps. They run in the app's own schema,
-- and a step that has been released is never edited: a change is a new step.

-- step 1: items

CREATE TABLE items (
    id         uuid        NOT NULL,
    owner_id   uuid        NOT NULL,
    text       text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT items_pkey PRIMARY KEY (id)
);

CREATE INDEX items_owner_id_idx ON items (owner_id, id);
