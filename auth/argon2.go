package auth

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"homebase/auth/internal/hashcost"
	"homebase/auth/internal/nfkc"
	"homebase/httpx"

	"golang.org/x/crypto/argon2"
)

const (
	saltBytes = 16
	hashBytes = 32
)

// phc is a password hash in the form of the PHC string format:
// $argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>, base64 without padding.
type phc struct {
	cost       hashcost.Cost
	salt, hash []byte
}

func (p phc) String() string {
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s",
		argon2.Version, p.cost.Memory, p.cost.Passes, p.cost.Threads, b64(p.salt), b64(p.hash))
}

var errPHC = errors.New("not an Argon2id hash of ours")

func parsePHC(s string) (phc, error) {
	var p phc
	c := &p.cost
	var version int
	var rest string
	// %s takes all that is left: salt and hash have no spaces.
	n, err := fmt.Sscanf(s, "$argon2id$v=%d$m=%d,t=%d,p=%d$%s", &version, &c.Memory, &c.Passes, &c.Threads, &rest)
	salt, hash, _ := strings.Cut(rest, "$")
	dec := base64.RawStdEncoding.Strict()
	var saltErr, hashErr error
	p.salt, saltErr = dec.DecodeString(salt)
	p.hash, hashErr = dec.DecodeString(hash)
	switch {
	case err != nil || n != 5 || version != argon2.Version,
		c.Memory == 0 || c.Memory > hashcost.MostMemory || c.Passes == 0 || c.Passes > hashcost.MostPasses || c.Threads == 0,
		saltErr != nil || hashErr != nil || len(p.salt) < 8 || len(p.hash) != hashBytes:
		return phc{}, errPHC
	}
	return p, nil
}

// hasher runs Argon2id, a few at a time and few waiting behind them: each
// holds 19 MiB and a processor, so a flood of sign-ins would otherwise take
// both from everyone else. One processor is left to those who are signed in.
// The collector is left to itself: it lets garbage grow to as much as is in
// use, so the hashes hold at most twice their memory between them.
type hasher struct {
	cost    hashcost.Cost // of new hashes; one made at another is made anew at its owner's next sign-in
	permits chan struct{} // running or waiting
	slots   chan struct{} // running
	done    atomic.Int64  // hashes made
}

const (
	hashQueue = 16
	// hashesMost bounds what a large machine gives to hashing: four check
	// 150 passwords a second.
	hashesMost = 4
)

// ErrHashingBusy is for every route that hashes a secret.
var ErrHashingBusy = httpx.NewProblem(503, "hashing_busy", "Too many sign-ins at once").
	With("The server is already checking as many passwords as it can. Try again in a few seconds.").
	RetryAfter(2 * time.Second)

func newHasher(cost hashcost.Cost) *hasher {
	n := max(1, min(runtime.GOMAXPROCS(0)-1, hashesMost))
	return &hasher{cost: cost, permits: make(chan struct{}, n+hashQueue), slots: make(chan struct{}, n)}
}

// permit is the right to hash, one hash at a time. It is taken before the
// database is asked for anything, so that a flood does not keep its
// connections busy either.
type permit struct{ h *hasher }

// enter takes a permit; ErrHashingBusy when too many are taken.
func (h *hasher) enter() (*permit, error) {
	select {
	case h.permits <- struct{}{}:
		return &permit{h}, nil
	default:
		return nil, ErrHashingBusy
	}
}

// leave gives the permit back.
func (p *permit) leave() { <-p.h.permits }

// key derives the hash of a password once it is this permit's turn. Every
// password comes through here, and is folded: the same letters typed on
// another system may be other code points.
func (p *permit) key(ctx context.Context, password string, c hashcost.Cost, salt []byte) ([]byte, error) {
	select {
	case p.h.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-p.h.slots }()
	p.h.done.Add(1)
	return argon2.IDKey([]byte(nfkc.Fold(password)), salt, c.Passes, c.Memory, c.Threads, hashBytes), nil
}

// hash makes the PHC string that a user's row keeps.
func (p *permit) hash(ctx context.Context, password string) (string, error) {
	made := phc{cost: p.h.cost, salt: random(saltBytes)}
	var err error
	made.hash, err = p.key(ctx, password, made.cost, made.salt)
	return made.String(), err
}

// matches compares a password with a stored hash in constant time. outdated
// says that the hash was made at another cost and should be made anew.
func (p *permit) matches(ctx context.Context, password, stored string) (ok, outdated bool, err error) {
	kept, err := parsePHC(stored)
	if err != nil {
		return false, false, err
	}
	got, err := p.key(ctx, password, kept.cost, kept.salt)
	if err != nil {
		return false, false, err
	}
	return subtle.ConstantTimeCompare(got, kept.hash) == 1, kept.cost != p.h.cost, nil
}
