package system_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"homebase/system"
)

const secret = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="

func TestConfig_DefaultsStandWithNothingSet(t *testing.T) {
	t.Parallel()
	c, err := system.LoadConfig(nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != "127.0.0.1:8080" || c.PublicURL.String() != "http://localhost:8080" || !c.RateLimits ||
		c.DefaultQuota != 10<<30 || c.MinFree != 1<<30 || c.TrashRetention != 30*24*time.Hour || c.Registration != "closed" {
		t.Errorf("defaults are %+v", c)
	}
	if !filepath.IsAbs(c.DataDir) || filepath.Base(c.DataDir) != "data" {
		t.Errorf("data directory is %q, want an absolute path", c.DataDir)
	}
}

func TestConfig_AllProblemsComeAtOnceAndSayHowToMendThem(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "nothing")
	_, err := system.LoadConfig([]string{
		"HOMEBASE_LISTN=127.0.0.1:1",
		"HOMEBASE_LISTEN=8080",
		"HOMEBASE_PUBLIC_URL=http://api.example.com",
		"HOMEBASE_ORIGINS=https://*.example.com",
		"HOMEBASE_SECRET=c2hvcnQ=",
		"HOMEBASE_DEFAULT_QUOTA=ten",
		"HOMEBASE_MIN_FREE=9999999TiB",
		"HOMEBASE_TRASH_RETENTION=0d",
		"HOMEBASE_REGISTRATION=maybe",
		"HOMEBASE_MAIL_FROM_FILE=" + missing,
		"HOMEBASE_TRUSTED_PROXIES=172.18.0.0/33",
		"HOMEBASE_SMTP_URL=http://mail",
		"UNRELATED=x",
	})
	if err == nil {
		t.Fatal("a broken configuration was accepted")
	}
	for _, want := range []string{
		"HOMEBASE_LISTN is not a setting", "HOMEBASE_LISTEN:", "use https://", "wildcard", "5 bytes are too few",
		"HOMEBASE_DEFAULT_QUOTA:", "HOMEBASE_MIN_FREE:", "HOMEBASE_TRASH_RETENTION:", "closed, invite, open",
		"HOMEBASE_MAIL_FROM_FILE:", "HOMEBASE_TRUSTED_PROXIES:", "HOMEBASE_SMTP_URL:",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
}

func TestConfig_OriginsAreExact(t *testing.T) {
	t.Parallel()
	for origin, ok := range map[string]bool{
		"https://files.example.com":           true,
		"https://files.example.com:8443":      true,
		"http://localhost:5173":               true,
		"https://a.example,https://b.example": true,
		"http://files.example.com":            false,
		"https://files.example.com/":          false,
		"https://Files.example.com":           false,
		"https://files.example.com:443":       false,
		"https://u@files.example.com":         false,
		"ftp://files.example.com":             false,
		"null":                                false,
		"https://":                            false,
	} {
		if _, err := system.LoadConfig([]string{"HOMEBASE_ORIGINS=" + origin}); (err == nil) != ok {
			t.Errorf("origin %q: error %v, want accepted=%v", origin, err, ok)
		}
	}
}

func TestConfig_InsecureCombinationsAreRefused(t *testing.T) {
	t.Parallel()
	for name, env := range map[string][]string{
		"limits off on a reachable address": {"HOMEBASE_RATE_LIMITS=off", "HOMEBASE_LISTEN=0.0.0.0:8080"},
		"mail without a sender":             {"HOMEBASE_SMTP_URL=smtps://mail.example.com"},
		"an origin both trusted and public": {"HOMEBASE_ORIGINS=https://a.example", "HOMEBASE_PUBLIC_ORIGINS=https://a.example"},
		"a key given twice":                 {"HOMEBASE_LISTEN=127.0.0.1:1", "HOMEBASE_LISTEN_FILE=/dev/null"},
	} {
		if _, err := system.LoadConfig(env); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := system.LoadConfig([]string{"HOMEBASE_RATE_LIMITS=off", "HOMEBASE_LISTEN=unix:/run/hb.sock"}); err != nil {
		t.Errorf("limits off on a socket: %v", err)
	}
}

func TestConfig_PrintWithholdsSecrets(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(file, []byte("postgres://u:hunter2@db/x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := system.LoadConfig([]string{"HOMEBASE_SECRET=" + secret, "HOMEBASE_DATABASE_URL_FILE=" + file})
	if err != nil {
		t.Fatal(err)
	}
	if c.DatabaseURL != "postgres://u:hunter2@db/x" {
		t.Errorf("KEY_FILE gave %q", c.DatabaseURL)
	}
	var out bytes.Buffer
	c.Print(&out)
	for _, leak := range []string{"hunter2", secret} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("config prints a secret:\n%s", out.String())
		}
	}
	if !strings.Contains(out.String(), "HOMEBASE_LISTEN") || !strings.Contains(out.String(), "withheld") {
		t.Errorf("config prints:\n%s", out.String())
	}
}

func TestSecret_IsMadeOnceAndKeysDifferByPurpose(t *testing.T) {
	t.Parallel()
	state := filepath.Join(t.TempDir(), "state")
	load := func() *system.Config {
		c, err := system.LoadConfig([]string{"HOMEBASE_STATE_DIR=" + state})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.LoadSecret(); err != nil {
			t.Fatal(err)
		}
		return c
	}
	a, b := load(), load()
	if !bytes.Equal(a.Keys("access")[0], b.Keys("access")[0]) {
		t.Error("a second start made another secret")
	}
	if bytes.Equal(a.Keys("access")[0], a.Keys("refresh")[0]) {
		t.Error("two purposes share a key")
	}
	info, err := os.Stat(filepath.Join(state, "secret"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("secret file: %v, %v; want mode 0600", info, err)
	}
	left, _ := os.ReadDir(state)
	if len(left) != 1 {
		t.Errorf("%d files in the state folder, want the secret alone", len(left))
	}
}

func TestSecret_ATornFileIsRefusedNotReplaced(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	if err := os.WriteFile(filepath.Join(state, "secret"), []byte("MDEy"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := system.LoadConfig([]string{"HOMEBASE_STATE_DIR=" + state})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.LoadSecret(); err == nil {
		t.Error("a secret of three bytes was accepted")
	}
}

func TestSecret_TheFirstOfSeveralSignsAllVerify(t *testing.T) {
	t.Parallel()
	old := "b2xkb2xkb2xkb2xkb2xkb2xkb2xkb2xkb2xkb2xkb2w="
	c, err := system.LoadConfig([]string{"HOMEBASE_SECRET=" + secret + "," + old})
	if err != nil {
		t.Fatal(err)
	}
	alone, err := system.LoadConfig([]string{"HOMEBASE_SECRET=" + old})
	if err != nil {
		t.Fatal(err)
	}
	keys := c.Keys("access")
	if len(keys) != 2 || !bytes.Equal(keys[1], alone.Keys("access")[0]) {
		t.Errorf("%d keys, or the second is not the old secret's", len(keys))
	}
}

func TestConfig_ThePasskeyDomainIsOneThatAllHostsShare(t *testing.T) {
	t.Parallel()
	hosts := []string{"HOMEBASE_PUBLIC_URL=https://api.example.com", "HOMEBASE_ORIGINS=https://example.com,https://files.example.com:8443"}
	for domain, why := range map[string]string{
		"example.com":         "",
		"api.example.com":     "https://example.com does not end in api.example.com",
		"ample.com":           "does not end in ample.com",
		"example.org":         "does not end in example.org",
		"localhost":           "does not end in localhost",
		"com":                 "must be a domain",
		"com.":                "must be a domain",
		"Example.com":         "must be a domain",
		"https://example.com": "must be a domain",
		"example.com:443":     "must be a domain",
		"example.com/":        "must be a domain",
		"a@example.com":       "must be a domain",
		"192.0.2.1":           "must be a domain",
		"[2001:db8::1]":       "must be a domain",
	} {
		c, err := system.LoadConfig(append(hosts, "HOMEBASE_PASSKEY_DOMAIN="+domain))
		switch {
		case why == "" && (err != nil || c.PasskeyDomain != domain):
			t.Errorf("%s: %v", domain, err)
		case why != "" && (err == nil || !strings.Contains(err.Error(), why)):
			t.Errorf("%s: %v, want one that says %q", domain, err, why)
		}
	}
	for url, domain := range map[string]string{"http://localhost:8080": "localhost", "http://127.0.0.1:8080": "", "https://api.example.com": ""} {
		c, err := system.LoadConfig([]string{"HOMEBASE_PUBLIC_URL=" + url, "HOMEBASE_ORIGINS=https://files.example.com"})
		if err != nil || c.PasskeyDomain != domain || c.Values()["HOMEBASE_PASSKEY_DOMAIN"] != domain {
			t.Errorf("at %s the domain is %q, %v", url, c.PasskeyDomain, err)
		}
	}
}
