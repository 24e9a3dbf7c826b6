package files

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"regexp"
	"strings"

	"homebase/httpx"
)

var (
	errInvalidDigest  = httpx.NewProblem(400, "invalid_digest", "The digest field cannot be read")
	errDigestMismatch = httpx.NewProblem(422, "digest_mismatch", "The content does not match its digest")
)

// wantedDigests are the SHA-256 sums that the request's Content-Digest and
// Repr-Digest fields name (RFC 9530). For a whole upload without content
// coding both speak of the same bytes. Algorithms other than sha-256 are
// passed over; a field that cannot be parsed is refused, because who sends
// one wants it checked.
func wantedDigests(h http.Header) ([][]byte, error) {
	var sums [][]byte
	for _, field := range []string{"Content-Digest", "Repr-Digest"} {
		values := h.Values(field)
		if len(values) == 0 {
			continue
		}
		sum, err := parseDigest(strings.Join(values, ","))
		if err != nil {
			return nil, errInvalidDigest.With(field + ` must look like sha-256=:<base64>:, the checksum in padded base64.`)
		}
		if sum != nil {
			sums = append(sums, sum)
		}
	}
	return sums, nil
}

// digestMember is a member of a dictionary whose value is a byte sequence, with
// parameters or without: key=:base64:;parameters.
var digestMember = regexp.MustCompile(`^([a-z*][a-z0-9_.*-]*)=:([^:]*):(;.*)?$`)

// parseDigest reads a dictionary of byte sequences (RFC 9651) and gives the
// value of sha-256, nil when it has none. As in every dictionary the last of
// several equal keys counts.
func parseDigest(field string) (sum []byte, err error) {
	for member := range strings.SplitSeq(field, ",") {
		m := digestMember.FindStringSubmatch(strings.Trim(member, " \t"))
		if m == nil {
			return nil, errInvalidDigest
		}
		bytes, err := base64.StdEncoding.Strict().DecodeString(m[2])
		if err != nil {
			return nil, errInvalidDigest
		}
		if m[1] != "sha-256" {
			continue
		}
		if len(bytes) != sha256.Size {
			return nil, errInvalidDigest
		}
		sum = bytes
	}
	return sum, nil
}

// reprDigest is the Repr-Digest field for a sum.
func reprDigest(sum []byte) string {
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum) + ":"
}
