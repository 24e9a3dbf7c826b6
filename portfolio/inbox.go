package portfolio

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"homebase/audit"
	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// messageStates are what a message can be; spam comes last.
var messageStates = []string{"new", "read", "archived", "spam"}

// How long messages are kept: they are other people's words and addresses.
const (
	keepSpam     = 30 * 24 * time.Hour
	keepMessages = 365 * 24 * time.Hour
)

// Message is what a stranger wrote.
type Message struct {
	ID        uuid.UUID `json:"id"`
	State     string    `json:"state"`
	Name      string    `json:"name"`
	Email     string    `json:"email"`
	Subject   string    `json:"subject"`
	Message   string    `json:"message"`
	Score     int       `json:"score"`   // 3 and more was taken for spam
	Reasons   []string  `json:"reasons"` // honeypot, duplicate, markup, links, flood
	Revision  int64     `json:"revision"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

const messageColumns = `id, state, name, email, subject, message, score, reasons, revision, created_at, updated_at`

func scanMessage(row pgx.Row) (m Message, err error) {
	err = row.Scan(&m.ID, &m.State, &m.Name, &m.Email, &m.Subject, &m.Message, &m.Score, &m.Reasons, &m.Revision, &m.CreatedAt, &m.UpdatedAt)
	m.CreatedAt, m.UpdatedAt = m.CreatedAt.UTC(), m.UpdatedAt.UTC()
	return m, err
}

// Inbox is a page of messages, newest first, and how many there are of each
// state.
type Inbox struct {
	httpx.List[Message]
	Counts map[string]int `json:"counts"`
}

// getInbox serves GET /portfolio/contact: one state, or all but spam.
func (p *Portfolio) getInbox(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	states := messageStates[:3]
	if q.Has("state") {
		if states = q["state"]; len(states) != 1 || !slices.Contains(messageStates, states[0]) {
			return httpx.ErrInvalidParameter.With("state must be new, read, archived or spam.")
		}
	}
	page, err := httpx.PageOf(r, states...)
	if err != nil {
		return err
	}
	before := uuid.Max
	if page.After != nil {
		if before, err = uuid.Parse(page.After[0]); err != nil {
			return httpx.ErrInvalidCursor
		}
	}
	messages, err := db.All(r.Context(), p.DB, scanMessage, `
-- name: portfolio.Messages
SELECT `+messageColumns+`
  FROM portfolio_messages
 WHERE state = ANY($1) AND id < $2
 ORDER BY id DESC
 LIMIT $3`, states, before, page.Limit+1)
	if err != nil {
		return err
	}
	inbox := Inbox{Counts: map[string]int{}}
	inbox.List = httpx.ListOf(page, messages, func(m Message) []string { return []string{m.ID.String()} })
	_, err = db.All(r.Context(), p.DB, func(row pgx.Row) (n int, err error) {
		var state string
		err = row.Scan(&state, &n)
		inbox.Counts[state] = n
		return n, err
	}, `
-- name: portfolio.CountMessages
SELECT s.state, count(m.id)
  FROM unnest($1::text[]) AS s (state)
  LEFT JOIN portfolio_messages m ON m.state = s.state
 GROUP BY s.state`, messageStates)
	if err != nil {
		return err
	}
	return httpx.WriteJSON(w, http.StatusOK, inbox)
}

// changeMessage runs fn on the message of the path, if it is there and as the
// client believes, and records the action.
func (p *Portfolio) changeMessage(r *http.Request, e audit.Event, fn func(ctx context.Context, tx db.Querier, m Message) error) error {
	id, err := httpx.PathID(r, "id")
	if err != nil {
		return err
	}
	ctx := r.Context()
	return p.DB.InTx(ctx, func(tx pgx.Tx) error {
		m, err := db.One(ctx, tx, scanMessage, `
-- name: portfolio.LockMessage
SELECT `+messageColumns+` FROM portfolio_messages WHERE id = $1 FOR UPDATE`, id)
		if err != nil {
			return err
		}
		if err := matches(r, m.Revision); err != nil {
			return err
		}
		if err := fn(ctx, tx, m); err != nil {
			return err
		}
		e.Target = id
		return p.Audit.Record(ctx, tx, e)
	})
}

// MessageChange is the body of PATCH /portfolio/contact/{id}.
type MessageChange struct {
	State string `json:"state"` // spam, or new for what was wrongly taken for it
}

func (p *Portfolio) patchMessage(w http.ResponseWriter, r *http.Request) error {
	in, err := httpx.ReadJSON[MessageChange](w, r)
	if err != nil {
		return err
	}
	if !slices.Contains(messageStates, in.State) {
		var f httpx.Fields
		f.Add("#/state", "invalid", "The state is new, read, archived or spam.")
		return f.Err()
	}
	var saved Message
	err = p.changeMessage(r, audit.Event{Action: audit.MessageUpdated, Details: map[string]string{"state": in.State}},
		func(ctx context.Context, tx db.Querier, m Message) error {
			saved, err = db.One(ctx, tx, scanMessage, `
-- name: portfolio.UpdateMessage
UPDATE portfolio_messages SET state = $2, revision = revision + 1, updated_at = now() WHERE id = $1
RETURNING `+messageColumns, m.ID, in.State)
			return err
		})
	if err != nil {
		return err
	}
	w.Header().Set("ETag", httpx.RevisionTag(saved.Revision))
	return httpx.WriteJSON(w, http.StatusOK, saved)
}

func (p *Portfolio) deleteMessage(w http.ResponseWriter, r *http.Request) error {
	err := p.changeMessage(r, audit.Event{Action: audit.MessageDeleted}, func(ctx context.Context, tx db.Querier, m Message) error {
		_, err := db.Exec(ctx, tx, `
-- name: portfolio.DeleteMessage
DELETE FROM portfolio_messages WHERE id = $1`, m.ID)
		return err
	})
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
	}
	return err
}

// sweep deletes what has had its time.
func (p *Portfolio) sweep(ctx context.Context) error {
	return p.DB.InTx(ctx, func(tx pgx.Tx) error {
		if err := trimSpam(ctx, tx); err != nil {
			return err
		}
		gone, err := db.Exec(ctx, tx, `
-- name: portfolio.Sweep
WITH tokens AS (
    DELETE FROM portfolio_spent_tokens WHERE expires_at < now()),
counts AS (
    DELETE FROM portfolio_contact_counts
     WHERE since < now() - CASE WHEN sender = $1 THEN $2::float8 ELSE $3::float8 END * interval '1 second')
DELETE FROM portfolio_messages
 WHERE created_at < now() - CASE WHEN state = 'spam' THEN $4::float8 ELSE $5::float8 END * interval '1 second'`,
			everyone, globalWindow.Seconds(), senderWindow.Seconds(), keepSpam.Seconds(), keepMessages.Seconds())
		if err != nil || gone == 0 {
			return err
		}
		return p.Audit.Record(ctx, tx, audit.Event{Action: audit.MessagesPurged, Details: map[string]string{"messages": strconv.FormatInt(gone, 10)}})
	})
}
