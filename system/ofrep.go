package system

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"homebase/httpx"
)

// The OpenFeature Remote Evaluation Protocol, 0.1 to 0.3: any OpenFeature SDK can read
// the flags with the base URL …/api/v1/system/flags. A refusal is a problem document
// with the members of the protocol added.

// ofrepRequest is the body of both operations. context is what the SDK knows about its
// user; only a stranger's targetingKey matters here.
type ofrepRequest struct {
	Context map[string]json.RawMessage `json:"context,omitempty"`
}

// ofrepFlag is a flag as SDKs read it.
type ofrepFlag struct {
	Key     string `json:"key"`
	Value   bool   `json:"value"`
	Variant string `json:"variant"` // "on" or "off"
	Reason  string `json:"reason"`
}

// ofrepFlags is the answer for all flags at once.
type ofrepFlags struct {
	Flags []ofrepFlag `json:"flags"`
}

var errContext = httpx.NewProblem(400, "invalid_context", "The evaluation context is not valid")

// ofrepFailure adds what SDKs look for to a problem.
func ofrepFailure(r *http.Request, p *httpx.Problem, code string) error {
	c := *p
	c.Members = map[string]string{"key": r.PathValue("key"), "errorCode": code, "errorDetails": p.Detail}
	return &c
}

// ofrepFlagsFor reads for whom the flags are asked, and evaluates them.
func (s *System) ofrepFlagsFor(r *http.Request) ([]ofrepFlag, error) {
	in, err := httpx.ReadJSON[ofrepRequest](r)
	problem, _ := errors.AsType[*httpx.Problem](err)
	var key *string
	switch given := in.Context["targetingKey"]; {
	case problem != nil && problem.Status == http.StatusBadRequest:
		return nil, ofrepFailure(r, problem, "PARSE_ERROR")
	case problem != nil && problem.Status == http.StatusUnprocessableEntity:
		return nil, ofrepFailure(r, errContext.With("context must be an object, of at most 1000 attributes.").Because(err), "INVALID_CONTEXT")
	case err != nil:
		return nil, err
	case given != nil && json.Unmarshal(given, &key) != nil:
		return nil, ofrepFailure(r, errContext.With("targetingKey must be a string."), "INVALID_CONTEXT")
	}
	states, err := s.statesFor(r.Context(), subjectOf(httpx.CallerOf(r.Context()), *cmp.Or(key, new(""))))
	flags := make([]ofrepFlag, len(states))
	for i, state := range states {
		flags[i] = ofrepFlag{state.Key, state.Enabled, "off", state.reason}
		if state.Enabled {
			flags[i].Variant = "on"
		}
	}
	return flags, err
}

// evaluateFlag serves POST …/ofrep/v1/evaluate/flags/{key}.
func (s *System) evaluateFlag(w http.ResponseWriter, r *http.Request) error {
	flags, err := s.ofrepFlagsFor(r)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(flags, func(flag ofrepFlag) bool { return flag.Key == r.PathValue("key") })
	if i < 0 {
		return ofrepFailure(r, httpx.ErrNotFound.With("There is no such flag."), "FLAG_NOT_FOUND")
	}
	return httpx.WriteJSON(w, http.StatusOK, flags[i])
}

// evaluateFlags serves POST …/ofrep/v1/evaluate/flags. Clients poll it, so the answer
// has a tag, a hash of it.
func (s *System) evaluateFlags(w http.ResponseWriter, r *http.Request) error {
	flags, err := s.ofrepFlagsFor(r)
	if err != nil {
		return err
	}
	answer := ofrepFlags{Flags: flags}
	text, err := httpx.EncodeJSON(answer)
	if err != nil {
		return err
	}
	tag := httpx.ContentTag(text)
	w.Header().Set("ETag", tag)
	if httpx.IfNoneMatch(r.Header, tag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return httpx.WriteJSON(w, http.StatusOK, answer)
}
