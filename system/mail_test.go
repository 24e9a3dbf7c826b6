package system_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"homebase/db"
	"homebase/db/dbtest"
	"homebase/system"

	"github.com/jackc/pgx/v5"
)

// certificate and key are PEM files for localhost that this process trusts.
var certificate, key string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "homebase-mail")
	if err != nil {
		panic(err)
	}
	certificate, key = selfSigned(dir)
	// The roots are read once a process, so this comes before any handshake.
	os.Setenv("SSL_CERT_FILE", certificate)
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

func selfSigned(dir string) (certificate, key string) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "localhost"},
		DNSNames: []string{"localhost"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		panic(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		panic(err)
	}
	write := func(name, kind string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}), 0o600); err != nil {
			panic(err)
		}
		return path
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", pkcs8)
}

// smtpServer runs Debian's aiosmtpd, which keeps what it takes as a Maildir.
func smtpServer(t *testing.T, options ...string) (addr, maildir string) {
	t.Helper()
	program, err := exec.LookPath("aiosmtpd")
	if err != nil {
		t.Fatal("the mail tests need a real SMTP server: apt-get install python3-aiosmtpd")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr = l.Addr().String()
	l.Close()
	maildir = filepath.Join(t.TempDir(), "mail")
	args := append([]string{"-n", "-l", addr, "-c", "aiosmtpd.handlers.Mailbox"}, options...)
	cmd := exec.Command(program, append(args, maildir)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	for range 100 {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return addr, maildir
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("the SMTP server does not listen")
	return "", ""
}

func received(t *testing.T, maildir string) (messages []*mail.Message) {
	t.Helper()
	paths, _ := filepath.Glob(filepath.Join(maildir, "new", "*"))
	for _, p := range paths {
		f, err := os.Open(p)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		m, err := mail.ReadMessage(f)
		if err != nil {
			t.Fatal(err)
		}
		messages = append(messages, m)
	}
	return messages
}

func outbox(d *db.DB, url string) *system.Mail {
	return system.NewMail(d, slog.New(slog.DiscardHandler), url, "Homebase <noreply@example.com>",
		func(purpose string) [][]byte { return [][]byte{fmt.Appendf(nil, "%-32.32s", purpose)} })
}

func send(t *testing.T, m *system.Mail, d *db.DB, to, subject, text string) error {
	t.Helper()
	return d.InTx(t.Context(), func(tx pgx.Tx) error { return m.Send(t.Context(), tx, to, subject, text) })
}

func deliver(t *testing.T, m *system.Mail) error {
	t.Helper()
	return m.Jobs()[0].Run(t.Context())
}

func waiting(t *testing.T, d *db.DB) int {
	t.Helper()
	n, err := db.One(t.Context(), d, db.Value[int], `SELECT count(*) FROM mail_outbox`)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func localhost(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return "localhost:" + port
}

func TestMail_ArrivesByStartTLSAndByImplicitTLS(t *testing.T) {
	t.Parallel()
	starttls, first := smtpServer(t, "--tlscert", certificate, "--tlskey", key)
	implicit, second := smtpServer(t, "--smtpscert", certificate, "--smtpskey", key)
	plain, third := smtpServer(t)
	d := dbtest.New(t)
	for url, maildir := range map[string]string{
		"smtp://" + localhost(starttls): first, "smtps://" + localhost(implicit): second, "smtp://" + localhost(plain): third,
	} {
		m := outbox(d, url)
		text := "Grüße — open https://files.example.com/#token=abc\n.\nA line of its own dot, and a long one: " + strings.Repeat("x", 2000) + "\n"
		if err := send(t, m, d, "someone@example.com", "Einladung für Sie", text); err != nil {
			t.Fatal(err)
		}
		if err := deliver(t, m); err != nil {
			t.Fatalf("%s: %v", url, err)
		}
		got := received(t, maildir)
		if len(got) != 1 {
			t.Fatalf("%s: %d messages arrived", url, len(got))
		}
		subject, _ := new(mime.WordDecoder).DecodeHeader(got[0].Header.Get("Subject"))
		body, err := io.ReadAll(quotedprintable.NewReader(got[0].Body))
		if err != nil || strings.ReplaceAll(string(body), "\r\n", "\n") != text || subject != "Einladung für Sie" || got[0].Header.Get("To") != "someone@example.com" {
			t.Errorf("%s: subject %q, body %q, %v", url, subject, body, err)
		}
		if n := waiting(t, d); n != 0 {
			t.Errorf("%d messages still wait", n)
		}
	}
}

func TestMail_NeverGoesInClearNorToAStranger(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	plain, first := smtpServer(t)
	_, port, _ := net.SplitHostPort(plain)
	strangers := t.TempDir()
	cert, k := selfSigned(strangers)
	stranger, second := smtpServer(t, "--tlscert", cert, "--tlskey", k)
	for url, maildir := range map[string]string{
		"smtp://0.0.0.0:" + port:        first, // the same machine by a name that is not loopback
		"smtp://" + localhost(stranger): second,
	} {
		m := outbox(d, url)
		if err := send(t, m, d, "someone@example.com", "Hello", "text"); err != nil {
			t.Fatal(err)
		}
		if err := deliver(t, m); err == nil {
			t.Errorf("%s: delivered", url)
		}
		if got := received(t, maildir); len(got) != 0 {
			t.Errorf("%s: %d messages arrived", url, len(got))
		}
	}
	if n := waiting(t, d); n != 2 {
		t.Errorf("%d messages wait, want both", n)
	}
}

func TestMail_WaitsForADeadServerAndSurvivesARestart(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	dead := outbox(d, "smtp://localhost:1")
	if err := send(t, dead, d, "someone@example.com", "Hello", "the secret link"); err != nil {
		t.Fatal(err)
	}
	dbtest.Needed(t, dead.Jobs()[0], true)
	if err := deliver(t, dead); err == nil {
		t.Error("a dead server took it")
	}
	dbtest.Needed(t, dead.Jobs()[0], false)
	if err := deliver(t, dead); err != nil {
		t.Errorf("tried again before its time: %v", err)
	}
	raw, err := db.One(t.Context(), d, db.Value[[]byte], `SELECT body FROM mail_outbox`)
	if err != nil || strings.Contains(string(raw), "secret") {
		t.Errorf("the text lies open in the database: %q, %v", raw, err)
	}
	addr, maildir := smtpServer(t)
	if err := db.Exec(t.Context(), d, `UPDATE mail_outbox SET next_try_at = now()`); err != nil {
		t.Fatal(err)
	}
	if err := deliver(t, outbox(d, "smtp://"+localhost(addr))); err != nil {
		t.Fatal(err)
	}
	if got := received(t, maildir); len(got) != 1 || waiting(t, d) != 0 {
		t.Errorf("%d arrived, %d wait", len(got), waiting(t, d))
	}
	// Queued while the clock was ahead.
	alive := outbox(d, "smtp://"+localhost(addr))
	if err := send(t, alive, d, "someone@example.com", "Hello", "text"); err != nil {
		t.Fatal(err)
	}
	if err := db.Exec(t.Context(), d, `UPDATE mail_outbox SET next_try_at = now() + interval '900 days'`); err != nil {
		t.Fatal(err)
	}
	if err := deliver(t, alive); err != nil || waiting(t, d) != 0 {
		t.Errorf("%d wait for a time that lies far ahead: %v", waiting(t, d), err)
	}
}

func TestMail_AHeaderCannotBeInjectedAndARolledBackActSendsNothing(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	m := outbox(d, "smtp://localhost:1")
	for _, bad := range [][2]string{
		{"a@example.com\r\nBcc: b@example.com", "Hello"}, {"a@example.com", "Hello\nBcc: b@example.com"}, {"no address", "Hello"}, {"", "Hello"},
	} {
		if err := send(t, m, d, bad[0], bad[1], "text"); err == nil {
			t.Errorf("%q was queued", bad)
		}
	}
	_ = d.InTx(t.Context(), func(tx pgx.Tx) error {
		if err := m.Send(t.Context(), tx, "a@example.com", "Hello", "text"); err != nil {
			t.Error(err)
		}
		return io.EOF
	})
	if n := waiting(t, d); n != 0 {
		t.Errorf("%d messages wait", n)
	}
	if none := outbox(d, ""); none.Configured() || len(none.Jobs()) != 0 || send(t, none, d, "a@example.com", "x", "y") == nil {
		t.Error("mail was taken though no server is configured")
	}
}
