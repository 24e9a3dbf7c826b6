package system

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// secretBytes is the length of a generated secret, and the minimum for a given one.
const secretBytes = 32

func parseSecret(v string) ([]byte, error) {
	b, err := base64.StdEncoding.Strict().DecodeString(v)
	if err != nil {
		// The decoder's own error would quote part of the secret.
		return nil, errors.New("not base64; make one with: openssl rand -base64 32")
	}
	if len(b) < secretBytes {
		return nil, fmt.Errorf("%d bytes are too few; make one with: openssl rand -base64 32", len(b))
	}
	return b, nil
}

// generatedSecret reads the secret in the state folder, and generates it the first
// time. The complete file is linked into place, so two processes that start at once
// agree, and a kill leaves either no secret or a complete one.
func generatedSecret(stateDir string) ([][]byte, error) {
	path := filepath.Join(stateDir, "secret")
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		random := make([]byte, secretBytes)
		rand.Read(random)
		err = writeSecret(stateDir, base64.StdEncoding.EncodeToString(random), func(draft string) error {
			return ignoreExist(os.Link(draft, path))
		})
		if err != nil {
			return nil, err
		}
		b, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, err
	}
	secrets, err := list(parseSecret)(string(b))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return secrets, nil
}

// writeSecret writes a durable draft, lets place give it its name, and makes the name
// durable.
func writeSecret(stateDir, text string, place func(draft string) error) error {
	if err := os.MkdirAll(stateDir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(stateDir, "secret-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(text + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := place(f.Name()); err != nil {
		return err
	}
	d, err := os.Open(stateDir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func ignoreExist(err error) error {
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	return err
}

// LoadSecret reads the secret, or generates it on the first start, so that a problem
// with it is an error before anything runs.
func (c *Config) LoadSecret() (err error) {
	if c.secrets == nil {
		c.secrets, err = generatedSecret(c.StateDir)
	}
	return err
}

// SecretText is the secret in the form of HOMEBASE_SECRET.
func (c *Config) SecretText() string {
	texts := make([]string, len(c.secrets))
	for i, s := range c.secrets {
		texts[i] = base64.StdEncoding.EncodeToString(s)
	}
	return strings.Join(texts, ",")
}

// KeepSecret replaces the generated secret, now and for later starts. The old one is
// kept as secret.before-restore, unless that exists: later secrets came from a
// backup. A secret that is given in the environment is left for the operator to
// change.
func (c *Config) KeepSecret(text string) error {
	secrets, err := list(parseSecret)(text)
	if err != nil {
		return err
	}
	if c.given["SECRET"] != "" {
		return errors.New("HOMEBASE_SECRET is not the secret to be kept: remove it, or set it to that one")
	}
	path := filepath.Join(c.StateDir, "secret")
	err = writeSecret(c.StateDir, text, func(draft string) error {
		if err := ignoreExist(os.Link(path, path+".before-restore")); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return os.Rename(draft, path)
	})
	if err != nil {
		return err
	}
	c.secrets = secrets
	c.derived.Clear()
	return nil
}

// Keys derives a 32-byte key for a purpose from every secret by HKDF (RFC 5869), so that
// a token of one kind can never pass for another. The first key signs, all verify.
// LoadSecret must have succeeded before.
func (c *Config) Keys(purpose string) [][]byte {
	if known, ok := c.derived.Load(purpose); ok {
		return known.([][]byte)
	}
	if c.secrets == nil {
		panic("the secret was used before it was loaded")
	}
	derived := make([][]byte, len(c.secrets))
	for i, s := range c.secrets {
		k, err := hkdf.Key(sha256.New, s, nil, "homebase "+purpose, 32)
		if err != nil {
			panic(err) // only for lengths HKDF cannot give
		}
		derived[i] = k
	}
	c.derived.Store(purpose, derived)
	return derived
}
