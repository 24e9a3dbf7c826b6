package portfolio

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"net/http"
	"regexp"
	"strings"
	"time"
	"unicode"

	"homebase/auth"
	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const (
	senderPosts  = 3 // messages of one client in senderWindow; more is 429
	senderWindow = time.Hour
	globalPosts  = 30 // messages of everyone in globalWindow; more is kept as spam
	globalWindow = 24 * time.Hour

	maxSpam    = 1000 // rows
	spamScore  = 3    // from here on it is spam
	maxMessage = 4_000
)

// SharedLimits are the limits of the form, which all workers count together.
func SharedLimits() map[httpx.Rate]httpx.Limit {
	return map[httpx.Rate]httpx.Limit{
		"contact_of_address": {Requests: senderPosts, Per: senderWindow},
		"contact_of_all":     {Requests: globalPosts, Per: globalWindow},
	}
}

// ContactPost is the body of POST /portfolio/contact.
type ContactPost struct {
	Token   string `json:"token"`
	Nonce   string `json:"nonce"`
	Name    string `json:"name"`
	Email   string `json:"email"`
	Subject string `json:"subject,omitempty"`
	Message string `json:"message"`
	Website string `json:"website,omitempty"` // the honeypot: a field that people do not see
}

func (m *ContactPost) check() error {
	var f httpx.Fields
	checkLine(&f, "#/name", m.Name, true)
	checkEmail(&f, "#/email", &m.Email)
	checkLine(&f, "#/subject", m.Subject, false)
	checkText(&f, "#/message", m.Message, maxMessage)
	if strings.TrimSpace(m.Message) == "" {
		f.Add("#/message", "required", "This must not be empty.")
	}
	return f.Err()
}

// digest is equal for texts that differ only in digits, case and punctuation. A text
// without letters, such as a telephone number, is equal only to itself.
func (m ContactPost) digest() []byte {
	letters := folded(strings.Map(func(c rune) rune {
		if !unicode.IsLetter(c) {
			return -1
		}
		return c
	}, m.Message))
	sum := sha256.Sum256([]byte(cmp.Or(letters, m.Message)))
	return sum[:]
}

var (
	linkForm   = regexp.MustCompile(`(?i)https?://|\bwww\.`)
	markupForm = regexp.MustCompile(`(?i)<a\s|\[url|\[link`)
)

// judge says how much the message looks like spam, and why.
func (m ContactPost) judge(seen bool) (score int, reasons []string) {
	reasons = []string{}
	blame := func(points int, reason string) {
		score, reasons = score+points, append(reasons, reason)
	}
	if m.Website != "" {
		blame(10, "honeypot")
	}
	if seen {
		blame(5, "duplicate")
	}
	if markupForm.MatchString(m.Message) || linkForm.MatchString(m.Name+" "+m.Subject) {
		blame(5, "markup")
	}
	if links := len(linkForm.FindAllStringIndex(m.Message, -1)); links > 0 {
		blame(min(links, 10), "links")
	}
	return score, reasons
}

// postContact serves POST /portfolio/contact. The answer does not show whether the
// message was taken for spam.
func (p *Portfolio) postContact(c *httpx.Call, in ContactPost) error {
	if err := in.check(); err != nil {
		return err
	}
	if err := p.solved(in.Token, in.Nonce); err != nil {
		return err
	}
	ctx := c.Context()
	return p.DB.InTx(ctx, func(tx pgx.Tx) error {
		if err := p.limitSender(ctx, tx); err != nil {
			return err
		}
		token := sha256.Sum256([]byte(in.Token))
		switch times, _, err := countUse(ctx, tx, token[:16], challengeMax+challengeAhead); {
		case err != nil:
			return err
		case times > 1:
			return errChallenge
		}
		return p.keepMessage(ctx, tx, in)
	})
}

// limitSender counts by a keyed hash of the network, so that nobody can read from the
// database who wrote when. Networks that cannot be told apart are not counted: one
// count for all would lock everybody out.
func (p *Portfolio) limitSender(ctx context.Context, tx db.Querier) error {
	for _, network := range httpx.ClientNetworks(ctx) {
		sender := auth.MAC(p.Keys("contact sender")[0], []byte(network.String()))[:16]
		posts, until, err := countUse(ctx, tx, sender, senderWindow)
		if err != nil {
			return err
		}
		if posts > httpx.Share(senderPosts, network) {
			return httpx.ErrRateLimited.With("You have sent several messages already; write again later.").RetryAfter(time.Until(until))
		}
	}
	return nil
}

// everyone is the key that counts all messages that are not spam.
var everyone = []byte{}

// countUse counts one more use of a key within its window, or begins a new window. It
// also begins one if the old one ends further in the future than a new one could,
// which after a clock was set back might last for ever. The key's next use waits
// for this transaction.
func countUse(ctx context.Context, tx db.Querier, key []byte, window time.Duration) (uses int, until time.Time, err error) {
	until, err = db.One(ctx, tx, db.RowOf(func(until *time.Time) []any { return []any{&uses, until} }), `-- name: portfolio.CountUse
INSERT INTO portfolio_uses AS u (key, uses, expires_at) VALUES ($1, 1, now() + $2::interval)
    ON CONFLICT (key) DO UPDATE
   SET uses = CASE WHEN u.expires_at > now() AND u.expires_at < now() + 2 * $2::interval THEN u.uses + 1 ELSE 1 END,
       expires_at = CASE WHEN u.expires_at > now() AND u.expires_at < now() + 2 * $2::interval THEN u.expires_at ELSE now() + $2::interval END
RETURNING uses, expires_at`, key, window)
	return uses, until, err
}

func (p *Portfolio) keepMessage(ctx context.Context, tx db.Querier, in ContactPost) error {
	seen, err := db.One(ctx, tx, db.Value[bool], `-- name: portfolio.MessageSeen
SELECT EXISTS (SELECT FROM portfolio_messages WHERE digest = $1)`, in.digest())
	if err != nil {
		return err
	}
	state := "new"
	score, reasons := in.judge(seen)
	if score >= spamScore {
		state = "spam"
	} else if posts, _, err := countUse(ctx, tx, everyone, globalWindow); err != nil {
		return err
	} else if posts > globalPosts {
		state, reasons = "spam", append(reasons, "flood")
	}
	if err := db.Exec(ctx, tx, `-- name: portfolio.InsertMessage
INSERT INTO portfolio_messages (id, state, name, email, subject, message, score, reasons, digest)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, uuid.Must(uuid.NewV7()), state,
		in.Name, in.Email, in.Subject, in.Message, score, reasons, in.digest()); err != nil {
		return err
	}
	if state == "spam" {
		return trimSpam(ctx, tx)
	}
	return p.notify(ctx, tx, in)
}

// trimSpam keeps the spam with the lowest score, and of that the newest.
func trimSpam(ctx context.Context, tx db.Querier) error {
	return db.Exec(ctx, tx, `-- name: portfolio.TrimSpam
DELETE FROM portfolio_messages
 WHERE id IN (SELECT id FROM portfolio_messages WHERE state = 'spam' ORDER BY score, id DESC OFFSET $1)`, maxSpam)
}

// notify sends the owner a mail at the address in the profile. The subject, which is
// one line, is the only text of the stranger that goes into a header.
func (p *Portfolio) notify(ctx context.Context, tx db.Querier, in ContactPost) error {
	if p.Send == nil {
		return nil
	}
	email, err := db.One(ctx, tx, db.Value[string], `-- name: portfolio.Address
SELECT coalesce(profile ->> 'email', '') FROM portfolio`)
	to, none := auth.ParseEmail(email)
	if err != nil || none != nil {
		return err
	}
	return p.Send(ctx, tx, to, strings.TrimSpace("New message: "+in.Subject),
		in.Name+" <"+in.Email+"> wrote to you through your portfolio:\n\n"+in.Message+"\n")
}

const (
	challengePurpose = "contact"
	// challengeBits is the work that a sender must do: about 65,000 hashes, which
	// take a phone's browser a second.
	challengeBits = 16
	challengeMin  = 3 * time.Second // no person writes faster
	challengeMax  = 2 * time.Hour
	// challengeAhead is how far in the future a token may be: clocks differ.
	challengeAhead = time.Minute
)

var (
	errChallenge = httpx.NewProblem(http.StatusUnprocessableEntity, "challenge_invalid", "The form token or its proof of work is not valid").
			With("The token is wrong, too old or used already, or the nonce does not solve it. GET /api/v1/portfolio/contact/challenge gives a new one.")
	errTooEarly = httpx.NewProblem(http.StatusUnprocessableEntity, "challenge_too_early", "The form was sent too soon").
			With("Send the same request again once the token is min_age_seconds old.")
)

// Challenge is what a contact form fetches before it is sent. The sender must find a
// nonce for which SHA-256(token + nonce) begins with Bits zero bits.
type Challenge struct {
	Token         string `json:"token"`
	Bits          int    `json:"bits"`
	MinAgeSeconds int    `json:"min_age_seconds"`
}

// getChallenge makes a token. Nothing is stored until it is used.
func (p *Portfolio) getChallenge(*httpx.Call) (Challenge, error) {
	return Challenge{p.sign(challengePurpose, time.Now(), uuid.New()), challengeBits, int(challengeMin / time.Second)}, nil
}

// solved checks token and nonce. A token from the future, of a clock that was set
// back, is refused instead of waited for: a new one is valid sooner.
func (p *Portfolio) solved(token, nonce string) error {
	issued, _, ok := p.signed(challengePurpose, token)
	sum := sha256.Sum256([]byte(token + nonce))
	switch age := time.Since(issued); {
	case !ok, age > challengeMax, age < -challengeAhead, bits.LeadingZeros32(binary.BigEndian.Uint32(sum[:])) < challengeBits:
		return errChallenge
	case age < challengeMin:
		return errTooEarly.RetryAfter(challengeMin - age)
	}
	return nil
}
