package system

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"

	"homebase/httpx"

	"github.com/google/uuid"
)

// Rule says for whom a flag is on: for whoever matches everything that it names.
type Rule struct {
	Roles []string    `json:"roles,omitempty"` // one of these
	Users []uuid.UUID `json:"users,omitempty"` // one of these
	// Percentage of all users, or of the targeting keys of strangers, from 0 to
	// 100. Whoever is included stays so while it grows.
	Percentage *float64 `json:"percentage,omitempty"`
}

// FlagState is a flag as it is for one caller.
type FlagState struct {
	Key     string `json:"key"`
	Enabled bool   `json:"enabled"`

	reason string // of OpenFeature
}

// subject is whom a flag is asked for.
type subject struct {
	caller *httpx.Caller // nil: a stranger
	// id is what percentages are counted by: the user's id, or else a stranger's
	// targeting key; "" is in no percentage.
	id string
}

// subjectOf is the caller. targetingKey counts only for a stranger, so that nobody can
// ask as somebody else.
func subjectOf(c *httpx.Caller, targetingKey string) subject {
	if c != nil {
		return subject{c, "user " + c.UserID.String()}
	}
	if targetingKey == "" {
		return subject{}
	}
	return subject{nil, "key " + targetingKey}
}

// statesFor are all flags that the subject may see, sorted by key.
func (s *System) statesFor(ctx context.Context, who subject) ([]FlagState, error) {
	all, err := s.flags.Get(ctx)
	states := []FlagState{}
	for _, flag := range all {
		if flag.Public || who.caller != nil {
			states = append(states, flag.stateFor(who))
		}
	}
	return states, err
}

// stateFor evaluates the flag. The reasons are OpenFeature's.
func (f *Flag) stateFor(who subject) FlagState {
	switch {
	case !f.Enabled:
		return FlagState{f.Key, false, "DISABLED"}
	case len(f.Rules) == 0:
		return FlagState{f.Key, true, "STATIC"}
	}
	for _, rule := range f.Rules {
		if rule.matches(f.Key, who) {
			if rule.Percentage != nil {
				return FlagState{f.Key, true, "SPLIT"}
			}
			return FlagState{f.Key, true, "TARGETING_MATCH"}
		}
	}
	return FlagState{f.Key, false, "DEFAULT"}
}

func (r *Rule) matches(key string, who subject) bool {
	if len(r.Roles) > 0 && (who.caller == nil || !slices.ContainsFunc(r.Roles, func(role string) bool { return slices.Contains(who.caller.Roles, role) })) {
		return false
	}
	if len(r.Users) > 0 && (who.caller == nil || !slices.Contains(r.Users, who.caller.UserID)) {
		return false
	}
	return r.Percentage == nil || who.id != "" && share(key, who.id) < *r.Percentage/100
}

// share is the subject's fixed position in a flag's percentages, from 0 to just below
// 1. Each flag has a different order, so that it is not always the same people who
// try what is new.
func share(key, id string) float64 {
	sum := sha256.Sum256([]byte(key + "\x00" + id))
	return float64(binary.BigEndian.Uint64(sum[:8])>>11) / (math.MaxUint64>>11 + 1)
}
