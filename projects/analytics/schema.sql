-- Page views without persons. No address and no cookie is ever here.

-- step 1: page views

-- What came in, for seven days. visitor is a keyed hash of network, browser
-- and site under the salt of its day, so that nothing joins two days.
CREATE TABLE views (
    at       timestamptz NOT NULL,
    -- The host of the frontend's origin.
    site     text COLLATE "C" NOT NULL,
    path     text COLLATE "C" NOT NULL,
    -- The host of the page that led here; '' when none of elsewhere did.
    referrer text COLLATE "C" NOT NULL,
    device   text COLLATE "C" NOT NULL,
    visitor  bytea       NOT NULL
);

CREATE INDEX views_at_idx ON views (at);

-- Today's salt, one row. Unlogged and truncated: once the day is over it is
-- in no file, no log of the database, and no export. After a crash of
-- PostgreSQL there is a new one, and who comes again that day counts twice.
CREATE UNLOGGED TABLE salts (
    day  date  NOT NULL,
    salt bytea NOT NULL,
    CONSTRAINT salts_pkey PRIMARY KEY (day)
);

-- How many views of a UTC day were kept, and how many were dropped.
CREATE TABLE days (
    day     date   NOT NULL,
    views   bigint NOT NULL,
    dropped bigint NOT NULL,
    CONSTRAINT days_pkey PRIMARY KEY (day)
);

-- What is kept for good, by hour, day and month (UTC) and in four kinds: the
-- total, whose name is '', pages, referrers and devices. visitors are
-- distinct within the row's hour or day; a month's row is the sum of its days.
-- By the hour there are totals and pages alone, these for 400 days.
CREATE TABLE rollups (
    grain    text COLLATE "C" NOT NULL,
    kind     text COLLATE "C" NOT NULL,
    name     text COLLATE "C" NOT NULL,
    site     text COLLATE "C" NOT NULL,
    at       timestamptz NOT NULL,
    views    bigint      NOT NULL,
    visitors bigint      NOT NULL,
    CONSTRAINT rollups_pkey PRIMARY KEY (grain, kind, name, at, site),
    CONSTRAINT rollups_grain_check CHECK (grain IN ('hour', 'day', 'month')),
    CONSTRAINT rollups_kind_check CHECK (kind IN ('total', 'page', 'referrer', 'device'))
);

-- The top of a time among all names.
CREATE INDEX rollups_at_idx ON rollups (grain, at, kind);
