package bench

import (
	"fmt"
	"strings"
	"testing"

	"homebase/auth"
	"homebase/auth/authtest"
)

// BenchmarkPasskey compares a sign-in by a passkey with the refresh of a
// session. Neither hashes anything. Each of the people has fewer sessions than
// the most there may be, as people have.
func BenchmarkPasskey(b *testing.B) {
	const people, each = 30, 15
	s := homebase(b)
	defer func(owners string) { s.token = owners }(s.token)
	_, port, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(s.url, "http://"), "/api/v1"), ":")
	keys := make([]*authtest.Authenticator, people)
	var grant auth.Grant
	for i := range keys {
		name := fmt.Sprintf("passkey%d@example.com", i)
		s.command(b, password, "user", "create", name, "--password-stdin")
		s.token = ""
		s.json(b, "POST", "/auth/login", map[string]string{"email": name, "password": password, "mode": "token"}, &grant)
		s.token = grant.AccessToken
		keys[i] = authtest.NewAuthenticator(b)
		keys[i].Domain, keys[i].Client = "localhost", map[string]any{"origin": "http://localhost:" + port}
		var creation auth.CreationAnswer
		s.json(b, "POST", "/auth/passkeys/registration", struct{}{}, &creation)
		s.json(b, "POST", "/auth/passkeys", map[string]any{"response": keys[i].Create(b, creation.Options)}, nil)
	}
	s.token = "" // or signing out would end its session too
	for b.Loop() {
		refresh := s.micro(b, people*each, func(int) {
			s.json(b, "POST", "/auth/refresh", auth.RefreshRequest{RefreshToken: grant.RefreshToken}, &grant)
		})
		answers := make([]map[string]any, people*each)
		options := s.micro(b, len(answers), func(i int) {
			var request auth.RequestAnswer
			s.json(b, "POST", "/auth/passkeys/options", struct{}{}, &request)
			answers[i] = keys[i%people].Get(b, request.Options)
		})
		grants := make([]auth.Grant, len(answers))
		signIn := s.micro(b, len(answers), func(i int) {
			s.json(b, "POST", "/auth/login", map[string]any{"passkey": answers[i], "mode": "token"}, &grants[i])
		})
		for _, g := range grants {
			s.json(b, "POST", "/auth/logout", auth.RefreshRequest{RefreshToken: g.RefreshToken}, nil)
		}
		b.Logf("refresh %.0f µs, options %.0f µs, sign-in %.0f µs, %.2f refreshes", refresh, options, signIn, signIn/refresh)
	}
}

// micro is the processor time of an operation, in microseconds.
func (s *server) micro(b *testing.B, times int, op func(i int)) float64 {
	b.Helper()
	before := s.cpu(b)
	for i := range times {
		op(i)
	}
	return (s.cpu(b) - before).Seconds() * 1e6 / float64(times)
}
