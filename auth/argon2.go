package auth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"homebase/httpx"

	"golang.org/x/crypto/argon2"
)

// cost is the work one Argon2id hash asks for (RFC 9106).
type cost struct {
	memory  uint32 // KiB
	passes  uint32
	threads uint8
}

// currentCost is what new hashes use: OWASP's least for Argon2id, about 26 ms
// of one core and 19 MiB. A hash made at another cost is made anew at its
// owner's next sign-in.
var currentCost = cost{memory: 19456, passes: 2, threads: 1}

const (
	saltBytes = 16
	hashBytes = 32
	// A stored hash that asks for more than this is not ours, and must not
	// be able to exhaust the memory.
	maxMemory = 256 << 10 // KiB
	maxPasses = 16
)

// phc is a password hash in the form of the PHC string format:
// $argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>, base64 without padding.
type phc struct {
	cost
	salt, hash []byte
}

func (p phc) String() string {
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s",
		argon2.Version, p.memory, p.passes, p.threads, b64(p.salt), b64(p.hash))
}

var errPHC = errors.New("not an Argon2id hash of ours")

func parsePHC(s string) (phc, error) {
	var p phc
	var version int
	var rest string
	// %s takes all that is left: salt and hash have no spaces.
	n, err := fmt.Sscanf(s, "$argon2id$v=%d$m=%d,t=%d,p=%d$%s", &version, &p.memory, &p.passes, &p.threads, &rest)
	if err != nil || n != 5 || version != argon2.Version {
		return phc{}, errPHC
	}
	if p.memory == 0 || p.memory > maxMemory || p.passes == 0 || p.passes > maxPasses || p.threads == 0 {
		return phc{}, errPHC
	}
	salt, hash, ok := strings.Cut(rest, "$")
	if !ok {
		return phc{}, errPHC
	}
	dec := base64.RawStdEncoding.Strict()
	var err1, err2 error
	p.salt, err1 = dec.DecodeString(salt)
	p.hash, err2 = dec.DecodeString(hash)
	if err1 != nil || err2 != nil || len(p.salt) < 8 || len(p.hash) != hashBytes {
		return phc{}, errPHC
	}
	return p, nil
}

// hasher runs Argon2id, a few at a time and few waiting behind them: each
// holds 19 MiB and a processor, so a flood of sign-ins would otherwise take
// both from everyone else. One processor is left to those who are signed in.
type hasher struct {
	places chan struct{} // running or waiting
	slots  chan struct{} // running
	idle   *time.Timer   // gives memory back once no hash has ended for a moment
}

const (
	hashQueue = 16
	// idleAfter is how long after the last hash its memory goes back to the
	// system; at once, the next would only fetch it again.
	idleAfter = 50 * time.Millisecond
)

// ErrHashingBusy is for every route that hashes a secret.
var ErrHashingBusy = httpx.NewProblem(503, "hashing_busy", "Too many sign-ins at once").
	With("The server checks as many passwords as it can. Try again in a few seconds.").
	RetryAfter(2 * time.Second)

func newHasher() *hasher {
	n := max(1, runtime.GOMAXPROCS(0)-1)
	h := &hasher{
		places: make(chan struct{}, n+hashQueue),
		slots:  make(chan struct{}, n),
		idle:   time.AfterFunc(time.Hour, debug.FreeOSMemory),
	}
	h.idle.Stop()
	return h
}

// place is the right to hash, one hash at a time. It is taken before the
// database is asked for anything, so that a flood does not keep its
// connections busy either.
type place struct{ h *hasher }

// enter takes a place; ErrHashingBusy when too many are taken.
func (h *hasher) enter() (*place, error) {
	select {
	case h.places <- struct{}{}:
		return &place{h}, nil
	default:
		return nil, ErrHashingBusy
	}
}

// leave gives the place back.
func (p *place) leave() { <-p.h.places }

// key derives the hash of a password once it is this place's turn.
func (p *place) key(ctx context.Context, password string, c cost, salt []byte) ([]byte, error) {
	select {
	case p.h.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-p.h.slots; p.h.idle.Reset(idleAfter) }()
	k := argon2.IDKey([]byte(password), salt, c.passes, c.memory, c.threads, hashBytes)
	// The collector would let the garbage of one hash stand while the next
	// is made: twice the memory, for a few milliseconds saved.
	runtime.GC()
	return k, nil
}

// hash makes the PHC string that a user's row keeps.
func (p *place) hash(ctx context.Context, password string) (string, error) {
	made := phc{cost: currentCost, salt: make([]byte, saltBytes)}
	rand.Read(made.salt)
	var err error
	made.hash, err = p.key(ctx, password, made.cost, made.salt)
	return made.String(), err
}

// matches compares a password with a stored hash in constant time. outdated
// says that the hash was made at another cost and should be made anew.
func (p *place) matches(ctx context.Context, password, stored string) (ok, outdated bool, err error) {
	kept, err := parsePHC(stored)
	if err != nil {
		return false, false, err
	}
	got, err := p.key(ctx, password, kept.cost, kept.salt)
	if err != nil {
		return false, false, err
	}
	return subtle.ConstantTimeCompare(got, kept.hash) == 1, kept.cost != currentCost, nil
}

// nobody is a hash that no password has, checked where there is no such user
// so that the answer takes as long as for one who exists.
func nobody() string {
	p := phc{cost: currentCost, salt: make([]byte, saltBytes), hash: make([]byte, hashBytes)}
	rand.Read(p.salt)
	rand.Read(p.hash)
	return p.String()
}
