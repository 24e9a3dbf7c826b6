// Package portfolio is the content of a person's portfolio site: a profile,
// four ordered collections (projects, skills, experience, education), their
// form as a JSON Resume, and an inbox. It knows nothing about passwords or disks:
// it asks httpx who calls, and stores ids of files.
//
// What it promises:
//   - A stranger sees what is published, and nothing else: no draft, and no
//     picture that only a draft names.
//   - Public answers are encoded once and kept in memory. A change makes this
//     worker forget them before it is answered, and the others by a notification
//     in its transaction; a worker that may have missed one reads the database
//     each time.
//   - An ETag never stands for two contents: revisions come from one counter and
//     are never reused.
//   - A slug that once led to a project does so as long as the project exists.
//   - A message that passes the form is kept, if only as spam; what a flood can
//     add to the database is bounded.
//   - Every change of content and inbox is audited in its transaction. The network
//     addresses of strangers are not stored.
package portfolio

import (
	"context"
	"encoding/binary"
	"time"

	"homebase/audit"
	"homebase/auth"
	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Config is what the portfolio needs from others.
type Config struct {
	DB    *db.DB
	Audit *audit.Log
	// Keys returns the derived keys for a purpose: the first signs, all verify.
	Keys func(purpose string) [][]byte
	// PublicURL is the server's own address, for the links in a resume.
	PublicURL string
	// Image opens the stripped rendition of a picture that fits into size pixels
	// each way, or into the next size that exists; httpx.ErrNotFound or
	// db.ErrNotFound if there is none. The original is never shown.
	Image func(ctx context.Context, fileID uuid.UUID, size int) (httpx.Rendition, error)
	// Owns reports whether a file is the user's own: nobody may publish others'.
	Owns func(ctx context.Context, q db.Querier, user, fileID uuid.UUID) (bool, error)
	// Send queues a mail in the transaction; nil if no mail server is configured.
	Send func(ctx context.Context, tx db.Querier, to, subject, text string) error
}

// Portfolio is the room. Make one with New.
type Portfolio struct {
	Config
	projects, skills, experience, education *collection
	shown                                   *db.Kept[*snapshot] // what strangers see
}

// New makes the room and registers with the listener: call it before the
// listener runs. It reads no key and no database.
func New(cfg Config) *Portfolio {
	p := &Portfolio{Config: cfg}
	p.projects = newCollection[Project, ProjectFields](p, "projects", "slug", draft)
	p.skills = newCollection[Skill, SkillFields](p, "skills", "id", published)
	p.experience = newCollection[Experience, ExperienceFields](p, "experience", "id", draft)
	p.education = newCollection[Education, EducationFields](p, "education", "id", draft)
	p.shown = db.NewKept(cfg.DB, channel, p.readSnapshot)
	return p
}

// channel notifies that something in the portfolio has changed.
const channel = "portfolio"

// Jobs keeps the inbox within its bounds.
func (p *Portfolio) Jobs() []db.Job {
	return []db.Job{{Name: "portfolio.sweep", Every: 10 * time.Minute, Run: p.sweep, Needed: p.anyUsesOver}}
}

// content is the whole portfolio.
type content struct {
	profile Profile
	entries map[string][]item    // by kind
	slugs   map[string]uuid.UUID // every slug that ever led to a project
}

// load reads the whole portfolio, drafts included. The bounds of collections and
// texts keep it small.
func (p *Portfolio) load(ctx context.Context, q db.Querier) (c *content, err error) {
	c = &content{entries: map[string][]item{}}
	if c.profile, err = loadProfile(ctx, q); err != nil {
		return nil, err
	}
	for _, k := range []*collection{p.projects, p.skills, p.experience, p.education} {
		if c.entries[k.kind], err = k.load(ctx, q); err != nil {
			return nil, err
		}
	}
	c.slugs, err = loadSlugs(ctx, q)
	return c, err
}

// whole reads the portfolio as it was at one moment.
func (p *Portfolio) whole(ctx context.Context) (c *content, err error) {
	err = p.DB.InTx(ctx, func(tx pgx.Tx) error {
		if _, err := db.Exec(ctx, tx, `SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY`); err != nil {
			return err
		}
		c, err = p.load(ctx, tx)
		return err
	})
	return c, err
}

// edit is a change in progress: a transaction that locks the whole portfolio against
// other changes, and the revision that it gives to what it touches.
type edit struct {
	*content
	ctx      context.Context
	tx       pgx.Tx
	revision int64
}

// change runs fn in a transaction and records the event that it returns.
func (p *Portfolio) change(ctx context.Context, fn func(ed *edit) (audit.Event, error)) error {
	defer p.shown.Forget()
	return p.DB.InTx(ctx, func(tx pgx.Tx) error {
		revision, err := db.One(ctx, tx, db.Value[int64], `-- name: portfolio.Tick
UPDATE portfolio SET clock = clock + 1 RETURNING clock`)
		if err != nil {
			return err
		}
		c, err := p.load(ctx, tx)
		if err != nil {
			return err
		}
		event, err := fn(&edit{c, ctx, tx, revision})
		if err != nil {
			return err
		}
		if err := p.Audit.Record(ctx, tx, event); err != nil {
			return err
		}
		return db.Notify(ctx, tx, channel, "")
	})
}

// sign makes a token for one purpose from a time and an id, which only this platform
// can do; signed reads it.
func (p *Portfolio) sign(purpose string, at time.Time, id uuid.UUID) string {
	return auth.Sign(p.Keys(purpose), binary.BigEndian.AppendUint64(id[:], uint64(at.UnixMilli())))
}

func (p *Portfolio) signed(purpose, token string) (at time.Time, id uuid.UUID, ok bool) {
	data, ok := auth.Signed(p.Keys(purpose), token, len(id)+8)
	if !ok {
		return at, id, false
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(data[16:]))), uuid.UUID(data[:16]), true
}
