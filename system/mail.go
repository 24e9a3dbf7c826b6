package system

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/smtp"
	"net/url"
	"strings"
	"time"

	"homebase/auth"
	"homebase/db"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Mail is the outbox. Send puts a message into it in the transaction of the act that
// the message is about, so that either both happen or neither does. A job hands
// messages to the SMTP server, and tries again if it does not accept them. Texts are
// encrypted at rest, because they may contain a link that signs someone in.
//
// A kill between the server's answer and the deletion of the row sends the message
// twice; nothing loses it.
type Mail struct {
	db     *db.DB
	log    *slog.Logger
	url    *url.URL // nil if no mail server is configured
	from   string
	sealer auth.Sealer
}

// NewMail makes the outbox. smtpURL is "" if no mail server is configured.
func NewMail(d *db.DB, log *slog.Logger, smtpURL, from string, keys func(purpose string) [][]byte) *Mail {
	m := &Mail{db: d, log: log, from: from, sealer: auth.NewSealer(keys, "mail")}
	if smtpURL != "" {
		m.url, _ = url.Parse(smtpURL) // LoadConfig has refused what does not parse
	}
	return m
}

// Configured reports whether there is a server to hand mail to.
func (m *Mail) Configured() bool { return m.url != nil }

const (
	mailTimeout     = 30 * time.Second
	mailBatch       = 20
	mailFirstRetry  = time.Minute
	mailMaxAttempts = 12 // with doubling waits: about three days
)

// Send queues a message of plain text. The address and the subject come from people: a
// line break in them is an error, never a header.
func (m *Mail) Send(ctx context.Context, tx db.Querier, to, subject, text string) error {
	if !m.Configured() {
		return errors.New("mail is not configured")
	}
	if strings.ContainsAny(to+subject, "\r\n\x00") {
		return errors.New("a line break in a mail header")
	}
	if _, err := auth.ParseEmail(to); err != nil {
		return err
	}
	id := uuid.Must(uuid.NewV7())
	return db.Exec(ctx, tx, `-- name: system.QueueMail
INSERT INTO mail_outbox (id, recipient, subject, body, attempts, created_at, next_try_at)
VALUES ($1, $2, $3, $4, 0, now(), now())`,
		id, to, subject, m.sealer.Seal([]byte(text), id.String()))
}

// Deliver hands a message to the SMTP server at once, and queues it if that fails. It is
// for commands, which may run without a worker.
func (m *Mail) Deliver(ctx context.Context, to, subject, text string) error {
	err := m.hand(ctx, to, subject, text)
	if err == nil {
		return nil
	}
	if later := m.Send(ctx, m.db, to, subject, text); later != nil {
		return fmt.Errorf("the message could neither be sent nor queued: %w", errors.Join(err, later))
	}
	return nil
}

// Restored forgets the messages that waited when the backup was made: they have been
// sent since.
func (m *Mail) Restored(ctx context.Context, tx pgx.Tx) error {
	return db.Exec(ctx, tx, `-- name: system.ForgetMailOfBackup
DELETE FROM mail_outbox`)
}

// Jobs deliver the queued messages. Without a server there is nothing to do, and
// nothing wakes the disk.
func (m *Mail) Jobs() []db.Job {
	if !m.Configured() {
		return nil
	}
	return []db.Job{{Name: "mail.deliver", Every: 15 * time.Second, Run: m.deliver, Needed: func(ctx context.Context) (bool, error) {
		due, err := m.due(ctx, 1)
		return len(due) > 0, err
	}}}
}

type queued struct {
	id                 uuid.UUID
	recipient, subject string
	body               []byte
	attempts           int
}

// due are the messages that are due, and those that are further in the future than any
// wait, because a clock was set back.
func (m *Mail) due(ctx context.Context, most int) ([]queued, error) {
	scan := db.RowOf(func(q *queued) []any { return []any{&q.id, &q.recipient, &q.subject, &q.body, &q.attempts} })
	return db.All(ctx, m.db, scan, `-- name: system.DueMail
SELECT id, recipient, subject, body, attempts
  FROM mail_outbox
 WHERE next_try_at <= now() OR next_try_at > now() + $2 * interval '1 second'
 ORDER BY next_try_at
 LIMIT $1`, most, (mailFirstRetry << mailMaxAttempts).Seconds())
}

// deliver hands over what is due. Only one worker does so at a time.
func (m *Mail) deliver(ctx context.Context) error {
	due, err := m.due(ctx, mailBatch)
	for _, q := range due {
		err = errors.Join(err, m.deliverOne(ctx, q))
	}
	return err
}

// deliverOne sends q and deletes it, or sets when to try again. A message that has
// failed for three days, or that can no longer be decrypted, is dropped with a log
// line that does not reveal its content.
func (m *Mail) deliverOne(ctx context.Context, q queued) error {
	text, err := m.sealer.Open(q.body, q.id.String())
	opened := err == nil
	if opened {
		err = m.hand(ctx, q.recipient, q.subject, string(text))
	}
	if opened && err != nil && q.attempts+1 < mailMaxAttempts {
		later := db.Exec(ctx, m.db, `-- name: system.RetryMail
UPDATE mail_outbox SET attempts = attempts + 1, next_try_at = now() + $2 * interval '1 second' WHERE id = $1`,
			q.id, (mailFirstRetry << q.attempts).Seconds())
		return errors.Join(fmt.Errorf("mail %s, try %d: %w", q.id, q.attempts+1, err), later)
	}
	if err != nil {
		m.log.Error("gave up on a mail", "mail", q.id, "tries", q.attempts+1, "error", err)
	}
	return db.Exec(ctx, m.db, `-- name: system.ForgetMail
DELETE FROM mail_outbox WHERE id = $1`, q.id)
}

// hand gives one message to the SMTP server (RFC 5321). smtps:// is implicit
// TLS; smtp:// must offer STARTTLS (RFC 3207) unless it is on this machine.
func (m *Mail) hand(ctx context.Context, to, subject, text string) error {
	host, implicit := m.url.Hostname(), m.url.Scheme == "smtps"
	port := cmp.Or(m.url.Port(), map[string]string{"smtp": "587", "smtps": "465"}[m.url.Scheme])
	ctx, cancel := context.WithTimeout(ctx, mailTimeout)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	// The certificate is checked against the system's roots (SSL_CERT_FILE).
	trust := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if implicit {
		conn = tls.Client(conn, trust)
	}
	c, err := smtp.NewClient(conn, host)
	if err != nil {
		return err
	}
	if !implicit {
		if offered, _ := c.Extension("STARTTLS"); offered {
			if err := c.StartTLS(trust); err != nil {
				return err
			}
		} else if !loopbackHost(host) {
			return errors.New("the mail server offers no STARTTLS; the message was not sent in clear")
		}
	}
	if password, ok := m.url.User.Password(); ok {
		if err := c.Auth(smtp.PlainAuth("", m.url.User.Username(), password, host)); err != nil {
			return err
		}
	}
	return transact(c, m.from, to, compose(m.from, to, subject, text))
}

func transact(c *smtp.Client, from, to string, message []byte) error {
	sender, err := mail.ParseAddress(from)
	if err != nil {
		return err
	}
	if err := c.Mail(sender.Address); err != nil {
		return err
	}
	if err := c.Rcpt(to); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(message); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	_ = c.Quit() // the message was accepted, so this may fail
	return nil
}

// compose makes a message (RFC 5322) with a text in quoted-printable UTF-8.
func compose(from, to, subject, text string) []byte {
	var b strings.Builder
	_, domain, _ := strings.Cut(strings.TrimSuffix(from, ">"), "@")
	for _, header := range [][2]string{
		{"From", from},
		{"To", to},
		{"Subject", mime.QEncoding.Encode("utf-8", subject)},
		{"Date", time.Now().UTC().Format(time.RFC1123Z)},
		{"Message-ID", "<" + uuid.NewString() + "@" + domain + ">"},
		{"MIME-Version", "1.0"},
		{"Content-Type", "text/plain; charset=utf-8"},
		{"Content-Transfer-Encoding", "quoted-printable"},
		{"Auto-Submitted", "auto-generated"},
	} {
		b.WriteString(header[0] + ": " + header[1] + "\r\n")
	}
	b.WriteString("\r\n")
	w := quotedprintable.NewWriter(&b)
	_, _ = w.Write([]byte(text)) // a strings.Builder takes everything
	_ = w.Close()
	return []byte(b.String())
}
